"""The threads that answer requests."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from server import slices
from server.telemetry.logs import LOGGER


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


class Task(Protocol):
    """What a thread does."""

    @property
    def run(self) -> Callable[[], object]:
        """Called once, by a thread of the pool."""
        ...


AnyTask = TypeVar("AnyTask", bound=Task)


class Line(Protocol[AnyTask]):
    """Where tasks wait. The pool holds its lock whenever it calls; `len` may be asked by anybody."""

    def __len__(self) -> int:
        """How many wait."""
        ...

    def put(self, task: AnyTask, /) -> None:
        """One more waits."""
        ...

    def take(self) -> AnyTask | None:
        """The one that runs next; None while none may."""
        ...

    def done(self, task: AnyTask, /) -> None:
        """One that was taken is over."""
        ...


class Job:
    """A function with its arguments."""

    __slots__ = ("arguments", "finished", "function")

    def __init__(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments, self.finished = function, arguments, Finished()

    def run(self) -> None:
        """Call it, and tell that it is over, however it ends."""
        try:
            self.function(*self.arguments)
        except BaseException:  # noqa: BLE001  # as in `RequestPool._work`; here so that the line is written before anybody is told
            _log_failure()
        self.finished.announce()


class Fifo(Generic[AnyTask]):
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[AnyTask] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, task: AnyTask, /) -> None:
        """At the end."""
        self._waiting.append(task)

    def take(self) -> AnyTask | None:
        """From the front."""
        return self._waiting.popleft() if self._waiting else None

    def done(self, task: AnyTask, /) -> None:
        """Nothing to remember."""


class _Seat(Generic[AnyTask]):
    """Where one idle thread waits for its next task."""

    __slots__ = ("task", "wakeup")

    def __init__(self) -> None:
        self.task: AnyTask | None = None
        self.wakeup = threading.Lock()
        self.wakeup.acquire()


class RequestPool(Generic[AnyTask]):
    """Runs tasks on a fixed number of threads; the thread that became idle last goes first.

    concurrent.futures hands tasks to its threads in turn. Under light load all of them then take part, each with a stack, malloc caches and
    buffers that have cooled down since its last turn. Going on with the warm one, and without the machinery of a full future, costs less CPU
    per request (docs/adr/0006-worker-memory-cores-and-counters.md).

    The line decides which task is next, and how many may run. The threads are daemons: what they run must be ended by whoever put it here.
    A thread is started when a task finds none idle.
    """

    def __init__(self, thread_count: int, thread_name_prefix: str, line: Line[AnyTask]) -> None:
        self._thread_count = thread_count
        self._name = thread_name_prefix
        self._started = 0
        self.lock = threading.Lock()
        self._idle: list[_Seat[AnyTask]] = []
        self._clocks: list[int] = []  # of the processor time of each thread
        self._line = line

    def put(self, task: AnyTask) -> None:
        """Run `task.run()` on the warmest idle thread, or on the first that becomes idle, once the line lets it."""
        with self.lock:
            self._line.put(task)
            short_of_threads = not self._idle
            self._hand_out()
        if short_of_threads and self._started < self._thread_count:
            self._start_thread()

    def nudge(self) -> None:
        """Look whether more may run by now."""
        with self.lock:
            self._hand_out()

    def backlog(self) -> int:
        """Tasks that no thread has taken yet."""
        return len(self._line)

    def used_s(self) -> float:
        """Processor seconds of its threads so far."""
        return sum(time.clock_gettime(clock) for clock in tuple(self._clocks))

    def _hand_out(self) -> None:
        while self._idle and (task := self._line.take()) is not None:
            seat = self._idle.pop()
            seat.task = task
            seat.wakeup.release()

    def _start_thread(self) -> None:
        with self.lock:
            number = self._started
            if number == self._thread_count:
                return
            self._started += 1
        try:
            threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        except RuntimeError:  # the system has no thread to give: the task waits for one of ours
            with self.lock:
                self._started -= 1
            LOGGER.log(logging.ERROR, "cannot start a request thread", exc_info=True)

    def _work(self) -> None:
        slices.compute()
        self._clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        seat: _Seat[AnyTask] = _Seat()
        task: AnyTask | None = None
        while True:
            task = self._next(seat, task)
            try:
                task.run()
            except BaseException:  # noqa: BLE001  # the thread must survive whatever a task does
                _log_failure()

    def _next(self, seat: _Seat[AnyTask], over: AnyTask | None) -> AnyTask:
        with self.lock:
            if over is not None:
                self._line.done(over)
            task = self._line.take()
            if task is None:
                self._idle.append(seat)
            elif len(self._line):
                self._hand_out()  # the limit may have grown
        del over  # not kept alive until the next task
        if task is None:
            seat.wakeup.acquire()
            task, seat.task = seat.task, None
            assert task is not None
        return task


def job_pool(thread_count: int, thread_name_prefix: str) -> RequestPool[Job]:
    """A pool that runs functions in the order in which they come."""
    return RequestPool(thread_count, thread_name_prefix, Fifo())


def _log_failure() -> None:
    LOGGER.log(logging.ERROR, "a task of a request thread failed", exc_info=True)
