"""Bounds on streams: each one holds a thread for as long as its caller likes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import grpc

from domain.errors import LimitReached, NotServing

Request = TypeVar("Request")
Answer = TypeVar("Answer")
SPARE_THREADS = 2  # to refuse the streams above the limit, and to answer the unary calls that share the pool


def on_pool(method: Callable[[Request, grpc.ServicerContext], Answer], pool: ThreadPoolExecutor) -> Callable[[Request, grpc.ServicerContext], Answer]:
    """The same method, run on threads of its own: those of the requests may all be busy."""

    def behavior(request: Request, context: grpc.ServicerContext) -> Answer:
        return method(request, context)

    behavior.experimental_thread_pool = pool  # type: ignore[attr-defined]  # how grpcio is told
    return behavior


class StreamGate:
    """Lets a limited number of streams in, and ends all of them at a drain, the stuck ones too. Safe from any thread.

    A caller that opens no flow-control window blocks its stream's thread in the middle of a send; only canceling the call frees it.
    """

    def __init__(self, limit: int, name: str) -> None:
        self.pool = ThreadPoolExecutor(limit + SPARE_THREADS, thread_name_prefix=name)
        self._limit = limit
        self._lock = threading.Lock()
        self._open: set[grpc.ServicerContext] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed

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
