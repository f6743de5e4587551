"""One worker: starts the engine in its own process, then answers calls until asked to stop. Runs in a forked child of the generation."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time

from domain.errors import EarshotError
from engine.drill import Drill
from engine.open import Prepared, StartOptions
from server import exits, huge_pages, slices
from server.assignment import Assignment
from server.cores import core_of
from server.data_plane import DataPlane
from server.reports import send
from server.rung_log import RungLog
from server.settings import Settings
from server.telemetry.logs import log, set_up_logs
from server.upkeep import Upkeep, announce

POLL_S = 0.02
BEAT_S = 5.0  # longest time between two signs of life; shorter where the hang timeout is
SETTLE_POLLS = 10  # without work for that long, the last answers have left
CANCEL_S = 0.3  # for canceled calls to tell their callers


def run_worker(prepared: Prepared, assignment: Assignment, place: int, report_fd: int, proved: bool) -> int:
    """Serve until SIGTERM (finish the running calls) or SIGINT (cancel them). Returns the exit code.

    Stop signals are blocked in the calling thread, and stay so in all threads that are started here: this function waits for them.
    """
    settings = assignment.settings
    core = core_of(place, settings.workers) if settings.pin_workers else None
    if core is not None:
        os.sched_setaffinity(0, {core})  # before any thread is started: they inherit it
    slices.go_first_on_waking()  # likewise
    set_up_logs("worker", settings.log_level)
    started_s = time.monotonic()
    try:
        drill = None if settings.drill_file is None else Drill(settings.drill_file, announce)
        engine = prepared.start(StartOptions(settings.provider, proved, drill=drill), time.monotonic, RungLog(time.monotonic))
        plane = DataPlane(engine, assignment, place)
        gc.collect()
        gc.freeze()
        huge_page_count = huge_pages.settle()
        plane.start()
    except EarshotError as problem:
        send(report_fd, {"state": "failed", "place": place, "exit_code": exits.exit_code(problem), "text": problem.line()})
        return exits.exit_code(problem)
    send(report_fd, {"state": "serving", "place": place, "pid": os.getpid()})
    log(logging.INFO, "serving", place=place, start_s=round(time.monotonic() - started_s, 3), huge_pages=huge_page_count)
    Upkeep(engine, plane.meter, drill).start()
    threading.Thread(target=_keep_beating, args=(plane, place, report_fd, settings), name="beat", daemon=True).start()
    _wait_and_drain(plane, settings)
    return exits.OK


def _keep_beating(plane: DataPlane, place: int, report_fd: int, settings: Settings) -> None:
    """Tell the generation that this worker lives, as long as its request threads do. One that hangs in native code tells nothing, and is replaced."""
    interval_s = min(BEAT_S, settings.worker_hang_timeout_ms / 1e3 / 4)
    while True:
        time.sleep(interval_s)
        if not plane.stuck():
            send(report_fd, {"state": "beat", "place": place, "pid": os.getpid()})


def _wait_and_drain(plane: DataPlane, settings: Settings) -> None:
    if signal.sigwait({signal.SIGTERM, signal.SIGINT}) == signal.SIGTERM:
        plane.report_not_serving()
        if not _told_to_hurry(settings.drain_wait_ms / 1e3):
            log(logging.INFO, "draining")
            _drain(plane, settings.drain_grace_ms / 1e3)
    plane.stop(0.0).wait(CANCEL_S)
    plane.flush_logs()


def _drain(plane: DataPlane, grace_s: float) -> None:
    """Wait for running calls, at most for the grace. gRPC itself also waits for clients to close their connections, which hostile ones never do."""
    until_s = time.monotonic() + grace_s
    stopped, idle_polls = plane.stop(grace_s), 0
    while not stopped.wait(POLL_S) and idle_polls < SETTLE_POLLS and time.monotonic() < until_s and not _told_to_hurry(0.0):
        idle_polls = idle_polls + 1 if plane.idle() else 0


def _told_to_hurry(timeout_s: float) -> bool:
    return signal.sigtimedwait({signal.SIGINT}, timeout_s) is not None
