"""The workers of one generation: forks them, forks replacements, passes on what they tell, stops them."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import time
from dataclasses import dataclass, field

from domain.deadline import Clock
from engine.open import Prepared
from server import exits
from server.assignment import Assignment
from server.backoff import Backoff
from server.lifeline import die_with_parent
from server.reports import Report, ReportReader, send
from server.telemetry.logs import LOGGER, log
from server.wakeups import Wakeups

STDIN = 0
FORK_RETRY_S = 1.0
OVERSLEPT_S = 0.5  # a timeout that returns later than that was not the scheduler's doing
HOPELESS_DEATHS = 3  # before any worker has ever served
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


@dataclass(slots=True)
class Place:
    """Where one worker works; its successor takes the same place. pid 0: nobody. due_s: when to fork the next one, or to give this one up."""

    number: int
    pid: int = 0
    serving: bool = False
    started_s: float = 0.0
    due_s: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)


class Crew:
    """Runs in the generation's only thread."""

    def __init__(self, prepared: Prepared, assignment: Assignment, clock: Clock) -> None:
        self._prepared = prepared
        self._assignment = assignment
        self._clock = clock
        self._places = [Place(number) for number in range(assignment.settings.workers)]
        reader, self._writer = os.pipe()
        self._reader = ReportReader(reader)
        self._wakeups = Wakeups((signal.SIGCHLD, *STOP_SIGNALS))
        self._proved = False
        self._early_deaths = 0
        self._stopping = False
        self._exit_code = exits.OK

    def run(self) -> int:
        """Keep all places taken until asked to stop. Returns the exit code once no worker is left."""
        lifeline = [STDIN]
        while True:
            self._fork_due()
            signals, readable = self._wait(lifeline)
            if STDIN in readable and not os.read(STDIN, 1):
                return self._abandon()
            for report in self._reader.read():
                self._note(report)
            self._replace_hung()
            if signal.SIGTERM in signals and not self._stopping:
                self._drain()
            if signal.SIGINT in signals:
                self._stop(signal.SIGINT)
            self._reap()
            if self._stopping and not any(place.pid for place in self._places):
                return self._exit_code

    def _wait(self, lifeline: list[int]) -> tuple[list[signal.Signals], list[int]]:
        timeout_s, before_s = self._next_due_s(), self._clock()
        woken = self._wakeups.wait([self._reader.fd, *lifeline], timeout_s)
        slept_s = self._clock() - before_s
        if timeout_s is not None and slept_s > timeout_s + OVERSLEPT_S:  # this process was stopped, and perhaps its workers with it
            for place in self._places:
                place.due_s += slept_s  # as if the clock had stood still
        return woken

    def _replace_hung(self) -> None:
        for place in self._places:
            if place.pid and not self._stopping and place.due_s <= self._clock():
                settings = self._assignment.settings
                limit_ms = settings.worker_hang_timeout_ms if place.serving else settings.worker_start_timeout_ms
                what = "worker hangs, and is replaced" if place.serving else "worker does not come to serve, and is replaced"
                log(logging.ERROR, what, worker_pid=place.pid, place=place.number, serving=place.serving, limit_s=limit_ms / 1e3)
                place.due_s = math.inf  # until it is buried
                os.kill(place.pid, signal.SIGKILL)

    def _fork_due(self) -> None:
        for place in self._places:
            if not place.pid and not self._stopping and place.due_s <= self._clock():
                self._fork(place)

    def _next_due_s(self) -> float | None:
        due_s = min(place.due_s for place in self._places)
        return None if self._stopping or due_s == math.inf else max(0.0, due_s - self._clock())

    def _fork(self, place: Place) -> None:
        """Stop signals are held back around the fork: a child must not take one with the parent's handlers."""
        generation_pid = os.getpid()
        place.started_s, place.serving = self._clock(), False
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_worker(place, generation_pid)
        except OSError as problem:  # no process or memory to be had now: the other workers must not suffer for it
            place.due_s = self._clock() + FORK_RETRY_S
            log(logging.ERROR, "cannot fork a worker", place=place.number, problem=str(problem), next_in_s=FORK_RETRY_S)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        place.pid = pid
        place.due_s = place.started_s + self._assignment.settings.worker_start_timeout_ms / 1e3
        self._tell({"state": "started", "place": place.number, "pid": pid, "time": time.time()})

    def _become_worker(self, place: Place, generation_pid: int) -> None:
        """Never returns: leaving through the parent's frames would run its loop a second time."""
        code = exits.FAILURE
        try:
            die_with_parent(generation_pid)
            self._wakeups.close()
            self._reader.close()
            from server.worker import run_worker  # noqa: PLC0415  # imports gRPC, which must not happen before the fork

            code = run_worker(self._prepared, self._assignment, place.number, self._writer, self._proved)
        except BaseException:  # noqa: BLE001  # whatever it was, this child must not return into the parent's loop
            LOGGER.exception("the worker failed")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _note(self, report: Report) -> None:
        if report["state"] in {"serving", "beat"}:
            self._note_life(self._places[report["place"]], report["pid"])
        if report["state"] != "beat":
            self._tell(report)
        if report["state"] == "serving":
            self._places[report["place"]].serving = True
            self._proved = True
        elif report["state"] == "failed" and report["exit_code"] in exits.LASTING and not self._proved:
            self._give_up(report["exit_code"])

    def _note_life(self, place: Place, pid: int) -> None:
        if pid == place.pid and place.due_s < math.inf:
            place.due_s = self._clock() + self._assignment.settings.worker_hang_timeout_ms / 1e3

    def _reap(self) -> None:
        while any(place.pid for place in self._places):
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._bury(pid, status)

    def _bury(self, pid: int, status: int) -> None:
        place = next(place for place in self._places if place.pid == pid)
        life_s = self._clock() - place.started_s
        delay_s = place.backoff.delay_s(life_s)
        place.pid, place.serving, place.due_s = 0, False, self._clock() + delay_s
        code = os.waitstatus_to_exitcode(status)
        self._tell({"state": "exited", "place": place.number, "pid": pid, "code": code, "expected": self._stopping})
        if not self._stopping:
            log(logging.ERROR, "worker died", worker_pid=pid, exit_code=code, life_s=round(life_s, 3), next_in_s=delay_s)
            self._early_deaths += not self._proved
            if not self._proved and self._early_deaths >= HOPELESS_DEATHS:
                self._tell(
                    {
                        "state": "failed",
                        "exit_code": exits.FAILURE,
                        "text": f"{self._assignment.bundle}: FAILED: workers die before they serve (exit code {code}); see the log",
                    }
                )
                self._give_up(exits.FAILURE)

    def _give_up(self, code: int) -> None:
        self._exit_code = code
        self._stop(signal.SIGKILL)

    def _drain(self) -> None:
        """Workers that serve finish their calls; the others have none."""
        self._stopping = True
        for place in self._places:
            if place.pid:
                os.kill(place.pid, signal.SIGTERM if place.serving else signal.SIGKILL)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping = True
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)

    def _abandon(self) -> int:
        """The control process has gone: nothing may outlive it."""
        self._stop(signal.SIGKILL)
        return exits.FAILURE

    def _tell(self, report: Report) -> None:
        send(self._assignment.report_fd, report)
