"""The threads that answer requests."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from server.telemetry.logs import LOGGER

Task = tuple["Finished", Callable[..., object], tuple[Any, ...]]


class Finished:
    """What grpcio wants of a future: to be told when the task is over. Safe from any thread."""

    __slots__ = ("_callbacks", "_lock", "_over")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Finished], object]] = []
        self._over = False

    def add_done_callback(self, callback: Callable[[Finished], object]) -> None:
        """Call back once the task is over; at once when it is."""
        with self._lock:
            if not self._over:
                self._callbacks.append(callback)
                return
        callback(self)

    def announce(self) -> None:
        """The task is over."""
        with self._lock:
            self._over = True
        for callback in self._callbacks:
            callback(self)


class _Seat:
    """Where one idle thread waits for its next task."""

    __slots__ = ("task", "wakeup")

    def __init__(self) -> None:
        self.task: Task | None = None
        self.wakeup = threading.Lock()
        self.wakeup.acquire()


class RequestPool:
    """Runs tasks on a fixed number of threads; the thread that became idle last goes first.

    concurrent.futures hands tasks to its threads in turn. Under light load all of them then take part, each with a stack, malloc caches and
    buffers that have cooled down since its last turn. Going on with the warm one, and without the machinery of a full future, costs less CPU
    per request (docs/adr/0006-worker-memory-cores-and-counters.md).

    Tasks beyond the threads wait in the order in which they came. The threads are daemons: what they run must be ended by whoever submitted it.
    A thread is started when a task finds none idle.
    """

    def __init__(self, thread_count: int, thread_name_prefix: str) -> None:
        self._thread_count = thread_count
        self._name = thread_name_prefix
        self._started = 0
        self._lock = threading.Lock()
        self._idle: list[_Seat] = []
        self._waiting: deque[Task] = deque()

    def submit(self, function: Callable[..., object], /, *arguments: Any) -> Finished:
        """Run `function(*arguments)` on the warmest idle thread, or on the first that becomes idle."""
        finished = Finished()
        task = (finished, function, arguments)
        with self._lock:
            seat = self._idle.pop() if self._idle else None
            if seat is None:
                self._waiting.append(task)
        if seat is None:
            self._start_thread()
        else:
            seat.task = task
            seat.wakeup.release()
        return finished

    def _start_thread(self) -> None:
        with self._lock:
            number = self._started
            if number == self._thread_count:
                return
            self._started += 1
        try:
            threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        except RuntimeError:  # the system has no thread to give: the task waits for one of ours
            with self._lock:
                self._started -= 1
            LOGGER.log(logging.ERROR, "cannot start a request thread", exc_info=True)

    def backlog(self) -> int:
        """Tasks that no thread has taken yet."""
        return len(self._waiting)

    def _work(self) -> None:
        seat = _Seat()
        while True:
            finished, function, arguments = self._next(seat)
            try:
                function(*arguments)
            except BaseException:  # noqa: BLE001  # the thread must survive whatever a task does
                LOGGER.log(logging.ERROR, "a task of a request thread failed", exc_info=True)
            finished.announce()
            del finished, function, arguments  # not kept alive until the next task

    def _next(self, seat: _Seat) -> Task:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(seat)
        seat.wakeup.acquire()
        task, seat.task = seat.task, None
        assert task is not None
        return task
