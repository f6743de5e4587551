"""`python -m bench.promise.contestant BUNDLE PORT PLAN`: one worker's data plane in this process, with another way to plan what is ranked.

Everything else is Earshot's: the edge, retrieval, ranker and slate. What is not ranked follows by similarity, as in Earshot.
PLAN: "full" ranks all; "fixed:N" the first N; "quality-factor:MS" as many as a QualityFactor with that target says; "stuck:S" answers nothing for
S seconds, so that all threads are taken and every further call is refused.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.promise.plans import planned
from bench.single_worker import assignment
from engine.open import StartOptions, prepare
from engine.recommend import Engine
from server.data_plane import DataPlane
from server.rung_log import RungLog
from server.settings import Settings

# Contestants only refuse what does not fit their queue: no brown-out, and no admission by costs that are not theirs.
BOUNDED: dict[str, Any] = {"admission": "bounded"} if "admission" in {one.name for one in fields(Settings)} else {}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.promise.contestant")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("plan")
    parser.add_argument("--threads", type=int, default=4)
    told = parser.parse_args()
    engine = planned(whole_engine(told.bundle), told.plan)
    words = {} if told.plan.startswith("stuck") else BOUNDED  # what a refusal costs is asked of the admission that is the default
    plane = DataPlane(engine, assignment(told.port, Settings(workers=1, threads=told.threads, **words)), 0)
    plane.start()
    while True:
        time.sleep(3600)


def whole_engine(bundle: Path) -> Engine:
    """The engine as a worker opens it, with rankers whole."""
    return prepare(bundle, clock=time.monotonic, whole=True).start(StartOptions(proved=True), time.monotonic, RungLog(time.monotonic))


if __name__ == "__main__":
    main()
