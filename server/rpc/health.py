"""grpc.health.v1, written anew: one caller of the stock Watch that opens no flow-control window blocks every Check and the drain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from domain.errors import UnknownService
from server.rpc.admission import bounded
from server.rpc.outermost import stream, unary
from server.rpc.reading import decoded, reader
from server.rpc.reception import at_desk
from server.rpc.request_pool import job_pool
from server.rpc.streams import StreamGate

SERVICE = "grpc.health.v1.Health"
# Every client of a mesh may watch the servers that it calls; each Watch holds a thread, most of the time asleep (about 20 KiB).
MAX_WATCHES = 64
CHECK_THREADS = 2  # of their own: neither a Watch nor a request can keep a Check waiting
MAX_WAITING_CHECKS = 64  # some milliseconds' worth
REFRESH_S = 1.0  # a Watch sees at least this often what changed without a notification

_Status = health_pb2.HealthCheckResponse


def _always() -> bool:
    return True


class Health:
    """Which services take calls. Safe from any thread.

    alive: asked at each look; False turns every SERVING into NOT_SERVING.
    """

    def __init__(self, services: Iterable[str], alive: Callable[[], bool] = _always) -> None:
        self._lock = threading.Lock()
        self._serving = dict.fromkeys(("", *services), False)
        self._alive = alive
        self._draining = False
        self._watching: set[threading.Event] = set()  # one for each Watch, set when it should look again
        self._checks = bounded(job_pool(CHECK_THREADS, "check"), MAX_WAITING_CHECKS)
        self.gate = StreamGate(MAX_WATCHES, "watch")

    def set_serving(self, serving: bool, services: Iterable[str] | None = None) -> None:
        """Set some services, or all of them. Without effect once draining."""
        with self._lock:
            if not self._draining:
                self._serving.update(dict.fromkeys(self._serving if services is None else services, serving))
        self._wake()

    def drain(self) -> None:
        """NOT_SERVING from now on."""
        self.set_serving(False)
        with self._lock:
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
        """The methods of the service: Watch has threads of its own, and so have the others."""
        read, write = reader(health_pb2.HealthCheckRequest), health_pb2.HealthCheckResponse.SerializeToString
        read_list, write_list = reader(health_pb2.HealthListRequest), health_pb2.HealthListResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(at_desk(unary(self._check), self._checks), read, write),
            "List": grpc.unary_unary_rpc_method_handler(at_desk(unary(self._list), self._checks), read_list, write_list),
            "Watch": grpc.unary_stream_rpc_method_handler(at_desk(stream(self._watch), self.gate), read, write),
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
        with self.gate.admit(context), self._watcher() as look_again:
            context.add_callback(look_again.set)
            sent = None
            while context.is_active():
                look_again.clear()
                closed = self.gate.closed  # before the status: the last thing that a Watch tells is what the drain made of it
                status = self.status(service)
                if status is None:
                    status = _Status.SERVICE_UNKNOWN
                if status != sent:
                    sent = status
                    yield _Status(status=status)
                elif closed:
                    return
                else:
                    look_again.wait(REFRESH_S)

    @contextmanager
    def _watcher(self) -> Iterator[threading.Event]:
        look_again = threading.Event()
        with self._lock:
            self._watching.add(look_again)
        try:
            yield look_again
        finally:
            with self._lock:
                self._watching.discard(look_again)

    def _wake(self) -> None:
        with self._lock:
            for look_again in self._watching:
                look_again.set()
