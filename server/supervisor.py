"""Keeps a generation running, in the main thread of the control process."""

from __future__ import annotations

import logging
import signal
import sys
from dataclasses import dataclass

from domain.deadline import Clock
from server import exits
from server.assignment import Assignment
from server.backoff import Backoff
from server.child import GenerationChild
from server.control_plane import ControlPlane
from server.group_state import GroupState
from server.ready import Readiness
from server.reports import Report
from server.telemetry.logs import log
from server.wakeups import Wakeups

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
COLD_START_ATTEMPTS = 3  # a loader that crashes that often will not get better by itself
MARGIN_S = 0.5  # workers end by themselves with the grace and CANCEL_S of server/worker.py; what has not by then hangs, and is killed
HURRY_S = 1.0  # the same, after a second signal has told them to cancel what runs


@dataclass(slots=True)
class Stop:
    """A stop in progress. kill_s: when whoever is left is killed."""

    kill_s: float


class Supervisor:
    """Starts a generation, starts another when it is lost and none of its workers is left, stops it when asked to."""

    def __init__(self, assignment: Assignment, state: GroupState, plane: ControlPlane, readiness: Readiness, clock: Clock) -> None:
        self._assignment = assignment
        self._state = state
        self._plane = plane
        self._readiness = readiness
        self._clock = clock
        self._wakeups = Wakeups((signal.SIGCHLD, *STOP_SIGNALS))
        self._backoff = Backoff(quick_s=10.0, first_delay_s=0.5, max_delay_s=30.0)
        self._child: GenerationChild | None = None
        self._started_s = 0.0
        self._due_s = 0.0
        self._starts = 0
        self._failure: Report | None = None
        self._stop: Stop | None = None

    def run(self) -> int:
        """Supervise until stopped, or until it is clear that the bundle cannot be served. Returns the exit code."""
        try:
            while True:
                code = self._step()
                if code is not None:
                    return code
        finally:
            self._wakeups.close()

    def _step(self) -> int | None:
        if self._child is None:
            if self._stop is not None:
                return exits.OK
            if self._clock() >= self._due_s:
                self._start()
        fds = [self._child.reports.fd] if self._child is not None and not self._child.reports.ended else []
        signals, _ = self._wakeups.wait(fds, self._timeout_s())
        for number in signals:
            if number in STOP_SIGNALS:
                self._asked_to_stop(number)
        self._kill_if_due()
        return self._follow(self._child) if self._child is not None else None

    def _timeout_s(self) -> float | None:
        if self._stop is not None:
            return max(0.0, self._stop.kill_s - self._clock())
        return max(0.0, self._due_s - self._clock()) if self._child is None else None

    def _start(self) -> None:
        self._starts += 1
        self._started_s = self._clock()
        self._failure = None
        self._child = GenerationChild(self._assignment)
        self._state.generation_started(self._child.pid, again=self._starts > 1)
        log(logging.INFO, "generation started", generation_pid=self._child.pid, bundle=str(self._assignment.bundle))

    def _follow(self, child: GenerationChild) -> int | None:
        for report in child.read():
            self._state.note(report)
            if report["state"] == "failed":
                self._failure = report
        self._plane.refresh_health()
        group = self._state.snapshot()
        if group.serving_count == self._state.worker_count:
            self._readiness.announce(group)
        code = child.exit_code()
        return None if code is None else self._lost(child, code)

    def _lost(self, child: GenerationChild, code: int) -> int | None:
        """The generation is gone with all its workers. Returns an exit code when there is no use in starting another."""
        child.close()
        self._child = None
        self._state.generation_gone()
        self._plane.refresh_health()
        if self._stop is not None:
            return exits.OK
        text = self._failure["text"] if self._failure else f"exit code {code}"
        if not self._readiness.announced and (code in exits.LASTING or self._starts >= COLD_START_ATTEMPTS):
            bundle = self._assignment.bundle
            _tell_person(text if self._failure else f"{bundle}: FAILED: the process that loads it keeps dying ({text}); see its log")
            return code if code in exits.LASTING else exits.FAILURE
        delay_s = self._backoff.delay_s(self._clock() - self._started_s)
        self._due_s = self._clock() + delay_s
        log(logging.ERROR, "generation lost", exit_code=code, text=text, next_in_s=delay_s)
        return None

    def _asked_to_stop(self, number: signal.Signals) -> None:
        """The first signal drains, the second cancels."""
        if self._stop is None:
            settings = self._assignment.settings
            log(logging.INFO, "stopping", signal=number.name)
            self._plane.health.drain()
            self._stop = Stop(self._clock() + (settings.drain_wait_ms + settings.drain_grace_ms) / 1e3 + MARGIN_S)
            self._signal(signal.SIGTERM)
        else:
            log(logging.WARNING, "canceling what still runs", signal=number.name)
            self._stop.kill_s = min(self._stop.kill_s, self._clock() + HURRY_S)
            self._signal(signal.SIGINT)

    def _kill_if_due(self) -> None:
        """Killing the generation is enough: its workers die with it."""
        if self._stop is None or self._clock() < self._stop.kill_s:
            return
        log(logging.ERROR, "killing what did not end in time")
        self._signal(signal.SIGKILL)
        self._stop.kill_s = self._clock() + HURRY_S

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.send_signal(number)


def _tell_person(text: str) -> None:
    """For who started the server; the log has the same as JSON."""
    sys.stderr.write(f"error: {text}\n")
