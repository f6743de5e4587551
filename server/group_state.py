"""What the control process knows of its process group, from the reports of the generation."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from server.reports import Report


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker process."""

    pid: int
    serving: bool
    started_at_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The group at one moment. active: facts of the bundle that answers, by the names of the API, or None while none does."""

    workers: tuple[WorkerState, ...] = ()
    active: dict[str, Any] | None = None
    generation_pid: int = 0
    worker_restarts: int = 0
    generation_restarts: int = 0

    @property
    def serving_count(self) -> int:
        """Workers that take calls."""
        return sum(worker.serving for worker in self.workers)


class GroupState:
    """Written by the supervising thread, read by the threads of the control plane."""

    def __init__(self, worker_count: int, started_at_s: float) -> None:
        self.worker_count = worker_count
        self.started_at_s = started_at_s
        self._lock = threading.Lock()
        self._places: dict[int, WorkerState] = {}
        self._loaded: dict[str, Any] | None = None
        self._snapshot = Snapshot()

    def snapshot(self) -> Snapshot:
        """The group now."""
        with self._lock:
            workers = tuple(worker for _, worker in sorted(self._places.items()))
            active = self._loaded if any(worker.serving for worker in workers) else None
            return replace(self._snapshot, workers=workers, active=active)

    def generation_started(self, pid: int, again: bool) -> None:
        """A generation runs, and has no workers yet."""
        with self._lock:
            restarts = self._snapshot.generation_restarts + int(again)
            self._snapshot = replace(self._snapshot, generation_pid=pid, generation_restarts=restarts)

    def generation_gone(self) -> None:
        """Neither the generation nor any of its workers is left."""
        with self._lock:
            self._places.clear()
            self._loaded = None
            self._snapshot = replace(self._snapshot, generation_pid=0)

    def note(self, report: Report) -> None:
        """Take in one report of the generation."""
        with self._lock:
            if report["state"] == "loaded":
                self._loaded = report["bundle"]
            elif report["state"] == "started":
                self._places[report["place"]] = WorkerState(report["pid"], serving=False, started_at_s=report["time"])
            elif report["state"] == "serving" and report["place"] in self._places:
                self._places[report["place"]] = replace(self._places[report["place"]], serving=True)
            elif report["state"] == "exited":
                self._places.pop(report["place"], None)
                self._snapshot = replace(self._snapshot, worker_restarts=self._snapshot.worker_restarts + int(not report["expected"]))
