"""Tries bundles, each in processes of its own: `earshot verify`, and a generation that is told to serve it.

    python -m tests.integration.bundle_trials < paths > results

One path a line in, one JSON object a line out. Both trials run in forked children of this process, which has imported what they need and started
nothing: a bundle that kills one of them, or makes it run for ever, is a result and not the end.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import engine.verify  # noqa: F401  # loaded once, before the forks
from bundle.open import open_bundle  # noqa: F401  # as above
from cli.main import main
from server import generation
from server.assignment import Assignment
from server.ports import hold
from server.reports import ReportReader
from server.settings import Settings
from server.telemetry.board import Board

PATIENCE_S = 60.0
REFUSAL = re.compile(r"error: [^\n]+?: [A-Z_]+: [^\n]+\n")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one bundle.

    verified, served: exit codes, negative for a signal, None for one that had to be stopped. words: what verify said. refusal: whether that is one
    line of the documented form. serving: whether a worker ever took calls. deaths: exit codes of workers that a signal ended.
    """

    path: str
    verified: int | None
    words: str
    refusal: bool
    served: int | None
    serving: bool
    deaths: tuple[int, ...]
    seconds: float


def try_bundle(path: str) -> Trial:
    """Both trials."""
    started = time.monotonic()
    verified, words = _verify(path)
    served, serving, deaths = _serve(path)
    seconds = round(time.monotonic() - started, 3)
    return Trial(path, verified, words, REFUSAL.fullmatch(words) is not None, served, serving, deaths, seconds)


def _verify(path: str) -> tuple[int | None, str]:
    with tempfile.TemporaryFile() as said:
        pid = _fork(lambda: main(["verify", path, "--json"]), said.fileno())
        code = _wait(pid, time.monotonic() + PATIENCE_S)
        said.seek(0)
        return code, said.read().decode(errors="replace")[-4000:]


def _serve(path: str) -> tuple[int | None, bool, tuple[int, ...]]:
    """As the control process starts a generation, with the same pipes."""
    lifeline, hold_on = os.pipe()
    reading, reporting = os.pipe()
    with contextlib.closing(hold("127.0.0.1", 0)) as held, tempfile.TemporaryFile() as said:
        board = Board.create(1)
        settings = Settings(bundle=Path(path), workers=1, threads=1, pin_workers=False)
        assignment = Assignment(settings, Path(path), held.address, os.getpid(), reporting, board.fd, b"key")

        def generate() -> int:
            os.close(hold_on)
            os.dup2(lifeline, 0)
            sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", buffering=0, closefd=False))
            return generation.main()

        with os.fdopen(hold_on, "wb") as tell:
            assignment.write(tell)
            pid = _fork(generate, said.fileno())
            os.close(lifeline)
            os.close(reporting)
            reports = ReportReader(reading)
            try:
                return _follow(pid, reports)
            finally:
                reports.close()
                os.close(board.fd)


def _follow(pid: int, reports: ReportReader) -> tuple[int | None, bool, tuple[int, ...]]:
    until, serving, deaths = time.monotonic() + PATIENCE_S, False, []
    while not reports.ended and not serving and time.monotonic() < until:
        select.select([reports.fd], [], [], 0.5)
        for report in reports.read():
            serving |= report["state"] == "serving"
            deaths += [report["code"]] if report["state"] == "exited" and report["code"] < 0 and not report["expected"] else []
    if serving:
        os.kill(pid, signal.SIGINT)
    return _wait(pid, until), serving, tuple(deaths)


def _fork(work: Callable[[], int], said: int) -> int:
    """A child that does `work`, exits with what it returns, and says everything into `said`."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = work()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001  # as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, until: float) -> int | None:
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(try_bundle(line.rstrip("\n")))) + "\n")
        sys.stdout.flush()
