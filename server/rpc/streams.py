"""Bounds on streams: each one holds a thread for as long as its caller likes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from domain.errors import LimitReached, NotServing, Overloaded
from server.rpc.errors import Status, status_of
from server.rpc.reception import Incoming
from server.rpc.request_pool import Job, job_pool

SPARE_THREADS = 2  # to refuse the streams above the limit
MAX_UNSEEN = 100  # that wait for a thread at all: as many as one connection may open at once; more are refused without one
RETRY_AFTER_S = 1.0


class StreamGate:
    """Lets a limited number of streams in, and ends all of them at a drain, the stuck ones too. Safe from any thread. A desk (rpc/reception.py).

    A caller that opens no flow-control window blocks its stream's thread in the middle of a send; only canceling the call frees it.

    whole: whether one message asks for the stream; False: the method reads a stream of them.
    """

    def __init__(self, limit: int, name: str, whole: bool = True) -> None:
        self._pool = job_pool(limit + SPARE_THREADS, thread_name_prefix=name)
        self.whole = whole
        self._full = status_of(Overloaded(f"too many {name} streams are opened at a time; come back in {RETRY_AFTER_S:g} s", RETRY_AFTER_S))
        self._limit = limit
        self._lock = threading.Lock()
        self._open: set[grpc.ServicerContext] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed

    def refusal(self, _call: Incoming) -> Status | None:
        """Why no thread can even look at a stream that is opened now; None when one can."""
        return self._full if self._pool.backlog() >= MAX_UNSEEN else None

    def take(self, call: Incoming) -> None:
        """Hand it to a thread."""
        if self._pool.backlog() >= MAX_UNSEEN:
            call.refuse(self._full)
        else:
            self._pool.put(Job(call.answer_message if self.whole else call.answer, ()))

    @contextmanager
    def admit(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Hold a place while the stream is open. Raises LimitReached when there is none left, NotServing when the server drains."""
        with self._lock:
            admitted = len(self._open) < self._limit and not self._closed
            if admitted:
                self._open.add(context)
        if not admitted:
            if self._closed:
                raise NotServing("the server is draining; ask another one")
            raise LimitReached(f"at most {self._limit} streams are open at a time; close one", {"limit": str(self._limit)})
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(context)

    def close(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._closed = True

    def cancel_all(self) -> None:
        """End the streams that are still open."""
        with self._lock:
            still_open = list(self._open)
        for context in still_open:
            context.cancel()
