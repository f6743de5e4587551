"""grpc.health.v1, written anew: one caller of the stock Watch that opens no flow-control window blocks every Check and the drain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from domain.errors import UnknownService
from server.rpc.outermost import stream, unary
from server.rpc.reading import decoded, reader
from server.rpc.streams import StreamGate, on_pool

SERVICE = "grpc.health.v1.Health"
MAX_WATCHES = 8  # a load balancer or two and a person; each holds a thread
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
        read, write = reader(health_pb2.HealthCheckRequest), health_pb2.HealthCheckResponse.SerializeToString
        read_list, write_list = reader(health_pb2.HealthListRequest), health_pb2.HealthListResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(on_pool(unary(self._check), self.gate.pool), read, write),
            "List": grpc.unary_unary_rpc_method_handler(on_pool(unary(self._list), self.gate.pool), read_list, write_list),
            "Watch": grpc.unary_stream_rpc_method_handler(on_pool(stream(self._watch), self.gate.pool), read, write),
        }

    def _check(self, request: Any, _context: grpc.ServicerContext) -> health_pb2.HealthCheckResponse:
        service: str = decoded(request).service
        status = self.status(service)
        if status is None:
            known = ", ".join(f'"{name}"' for name in sorted(self._serving))
            raise UnknownService(f"the service is not known here; ask for one of {known}", {"service": service})
        return _Status(status=status)

    def _list(self, request: Any, _context: grpc.ServicerContext) -> health_pb2.HealthListResponse:
        decoded(request)
        return health_pb2.HealthListResponse(statuses={name: _Status(status=self.status(name)) for name in self._serving})

    def _watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[health_pb2.HealthCheckResponse]:
        service: str = decoded(request).service
        with self.gate.admit(context):
            context.add_callback(self._wake)
            sent = None
            while context.is_active() and not self.gate.closed:
                status = self.status(service)
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
