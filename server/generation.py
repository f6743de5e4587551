"""One generation: opens and proves a bundle, loads its index once, and forks the workers. Run as `python -m server.generation` by control.

Neither gRPC nor onnxruntime may be imported here, nor any thread be started: this process forks for as long as it lives.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import sys
import time
from dataclasses import asdict

from bundle.open import Bundle
from domain.errors import EarshotError
from engine.open import prepare
from server import exits, preloaded
from server.assignment import Assignment
from server.crew import Crew
from server.lifeline import die_with_parent
from server.reports import Report, send
from server.telemetry.logs import LOGGER, log, set_up_logs

NOT_BEFORE_FORK = ("grpc", "onnxruntime")
PRELOADED = preloaded.MODULES


def main() -> int:
    """Serve the assigned bundle until asked to stop. Returns the exit code."""
    assignment = Assignment.read(sys.stdin.buffer)
    die_with_parent(assignment.control_pid)
    faulthandler.enable()
    set_up_logs("generation", assignment.settings.log_level)
    started_s = time.monotonic()
    try:
        prepared = prepare(assignment.bundle, clock=time.monotonic, whole=assignment.settings.ranker_form == "whole")
    except EarshotError as problem:
        send(assignment.report_fd, {"state": "failed", "exit_code": exits.exit_code(problem), "text": problem.line()})
        return exits.exit_code(problem)
    _refuse_early_imports()
    gc.collect()
    gc.freeze()  # the collector never touches what is loaded, so its pages stay shared
    send(assignment.report_fd, {"state": "loaded", "bundle": describe(prepared.bundle)})
    log(logging.INFO, "bundle loaded", version=prepared.bundle.manifest.version, seconds=round(time.monotonic() - started_s, 3))
    for name, retriever in prepared.retrievers.items():
        log(logging.INFO, "crossover fitted", index=name, overlay_creators=retriever.overlay_count, **asdict(retriever.costs))
    return Crew(prepared, assignment, time.monotonic).run()


def _refuse_early_imports() -> None:
    early = [name for name in NOT_BEFORE_FORK if name in sys.modules]
    if early:
        raise RuntimeError(f"{' and '.join(early)} must not be imported before the fork: workers would hang")


def describe(bundle: Bundle) -> Report:
    """The facts that the control plane tells, by the names of the API."""
    manifest = bundle.manifest
    return {
        "version": manifest.version,
        "digest": bundle.digest,
        "embedding_space": manifest.embedding_space,
        "creator_count": manifest.creator_count,
        "user_count": manifest.user_count,
        "embedding_dimension_count": manifest.dimension_count,
        "measured_recall": manifest.recall,
        "candidate_count": manifest.candidate_count,
    }


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # noqa: BLE001  # the last place where it can reach the log
        LOGGER.exception("the generation failed")
        code = exits.FAILURE
    sys.exit(code)
