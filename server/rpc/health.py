"""grpc.health.v1, written anew: one caller of the stock Watch that opens no flow-control window blocks every Check and the drain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from server.rpc.streams import StreamGate, on_pool

SERVICE = "grpc.health.v1.Health"
MAX_WATCHES = 8  # a load balancer or two and a person; each holds a thread
MAX_ECHO = 100  # characters of a caller's text that come back in an error
REFRESH_S = 1.0  # a Watch sees at least this often what changed without a notification

_Status = health_pb2.HealthCheckResponse


def _always() -> bool:
    return True


class Health:
    """Which services take calls. Safe from any thread.

    alive: asked at each look; False turns every SERVING into NOT_SERVING.
    """

    def __init__(self, services: Iterable[str], alive: Callable[[], bool] = _always) -> None:
        self._changed = threading.Condition()
        self._serving = dict.fromkeys(("", *services), False)
        self._alive = alive
        self._draining = False
        self.gate = StreamGate(MAX_WATCHES, "health")

    def set_serving(self, serving: bool, services: Iterable[str] | None = None) -> None:
        """Set some services, or all of them. Without effect once draining."""
        with self._changed:
            if not self._draining:
                self._serving.update(dict.fromkeys(self._serving if services is None else services, serving))
            self._changed.notify_all()

    def drain(self) -> None:
        """NOT_SERVING from now on."""
        self.set_serving(False)
        with self._changed:
            self._draining = True

    def end_watches(self) -> None:
        """Let each Watch finish."""
        self.gate.close()
        self._wake()

    def status(self, service: str) -> health_pb2.HealthCheckResponse.ServingStatus | None:
        """The status of one service; None for one that is not known."""
        serving = self._serving.get(service)
        if serving is None:
            return None
        return _Status.SERVING if serving and self._alive() else _Status.NOT_SERVING

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods of the service, on threads of their own."""
        read, write = health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(on_pool(self._check, self.gate.pool), read, write),
            "List": grpc.unary_unary_rpc_method_handler(
                on_pool(self._list, self.gate.pool), health_pb2.HealthListRequest.FromString, health_pb2.HealthListResponse.SerializeToString
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(on_pool(self._watch, self.gate.pool), read, write),
        }

    def _check(self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext) -> health_pb2.HealthCheckResponse:
        status = self.status(request.service)
        if status is None:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"service {request.service[:MAX_ECHO]!r} is not known here; ask for one of {sorted(self._serving)}"
            )
        return _Status(status=status)

    def _list(self, _request: health_pb2.HealthListRequest, _context: grpc.ServicerContext) -> health_pb2.HealthListResponse:
        return health_pb2.HealthListResponse(statuses={name: _Status(status=self.status(name)) for name in self._serving})

    def _watch(self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext) -> Iterator[health_pb2.HealthCheckResponse]:
        with self.gate.admit(context):
            context.add_callback(self._wake)
            sent = None
            while context.is_active() and not self.gate.closed:
                status = self.status(request.service)
                if status is None:
                    status = _Status.SERVICE_UNKNOWN
                if status != sent:
                    sent = status
                    yield _Status(status=status)
                    continue
                with self._changed:
                    self._changed.wait(REFRESH_S)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
