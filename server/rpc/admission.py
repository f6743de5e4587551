"""Bounded admission: a worker refuses early what it could only answer late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from domain.errors import Overloaded
from server.rpc.outermost import unary
from server.rpc.request_pool import RequestPool
from server.rpc.streams import on_pool

RETRY_AFTER_S = 0.05  # a few full queues' worth: long enough for a burst to pass, short enough not to idle


class BoundedMethod(grpc.GenericRpcHandler):
    """One method that is refused with UNAVAILABLE and a pushback while `limit` requests wait for a thread.

    `service` runs on gRPC's polling thread for each call, before anything of the request is read.
    """

    def __init__(self, method: str, handler: grpc.RpcMethodHandler[Any, Any], pool: RequestPool, limit: int) -> None:
        self._method = method
        self._handler = handler
        self._pool = pool
        self._limit = limit
        self._refusing = ThreadPoolExecutor(1, thread_name_prefix="refuse")
        self._refusal: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(on_pool(unary(self._refuse), self._refusing))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler, its refusal, or None for other methods."""
        if handler_call_details.method != self._method:
            return None
        return self._handler if self._pool.backlog() < self._limit else self._refusal

    def _refuse(self, _request: bytes, _context: grpc.ServicerContext) -> NoReturn:
        raise Overloaded(f"{self._limit} requests wait already; come back in {RETRY_AFTER_S:g} s", RETRY_AFTER_S)
