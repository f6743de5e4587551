"""How much of the processor this process wants."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

TASKS = Path("/proc/self/task")
LIST_EVERY = 10  # readings, unless the number of Python's threads changes before: listing the threads takes longer than reading what they want


class ProcessorTime:
    """Seconds that the living threads have run, or were ready to run and waited for a core that others had; without the waits where Linux tells none.

    The time that a process used says nothing about whether it could use more: its core may be taken by somebody else. Asked ten times a second while
    calls wait, so the files stay open: opening those of 25 threads took up to 1 ms where the caches were cold. Safe from any thread.
    """

    def __init__(self, tasks: Path = TASKS) -> None:
        self._tasks = os.fspath(tasks)
        self._files: dict[str, int] = {}
        self._lock = threading.Lock()
        self._known_count, self._readings = 0, 0

    def wanted_s(self) -> float:
        """The seconds until now."""
        with self._lock:
            thread_count = threading.active_count()
            if self._readings % LIST_EVERY == 0 or thread_count != self._known_count:
                self._known_count = thread_count
                self._open_new()
            self._readings += 1
            total_ns = sum(self._read_ns(task) for task in tuple(self._files))
        return total_ns / 1e9 if total_ns else time.process_time()

    def __del__(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])

    def _open_new(self) -> None:
        for task in os.listdir(self._tasks):  # noqa: PTH208  # the layers of Python's files take longer than the rest
            if task not in self._files:
                try:
                    self._files[task] = os.open(f"{self._tasks}/{task}/schedstat", os.O_RDONLY)
                except OSError:  # the thread has ended, or the kernel keeps no such figures
                    continue

    def _read_ns(self, task: str) -> int:
        try:
            ran_ns, waited_ns, _ = os.pread(self._files[task], 100, 0).split()
            return int(ran_ns) + int(waited_ns)
        except (OSError, ValueError):  # it has ended
            os.close(self._files.pop(task))
            return 0
