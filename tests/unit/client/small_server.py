"""A real gRPC server on a free port that behaves as a test tells it, and remembers who asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import recommendation_service_pb2_grpc as services

REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-1"))
FOREVER_S = 20.0  # longer than any test waits; a handler that should never answer gives up by itself


class SmallServer(services.RecommendationServiceServicer):
    """`act(number, context)` is run for every attempt, numbered from 1; what it does not refuse is answered."""

    def __init__(self, act: Callable[[int, grpc.ServicerContext], None]) -> None:
        self.act = act
        self.target = ""
        self.request_ids: list[str] = []
        self.peers: list[str] = []
        self.canceled = threading.Semaphore(0)
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def RecommendCreators(self, request, context):  # noqa: N802 - gRPC's name
        with self._lock:
            self.request_ids.append(request.request_id)
            self.peers.append(context.peer())
            number = len(self.request_ids)
        self.act(number, context)
        return pb.RecommendCreatorsResponse(request_id=request.request_id, receipt=f"attempt {number}")

    @property
    def attempt_count(self) -> int:
        return len(self.request_ids)

    def hang(self, context: grpc.ServicerContext) -> None:
        """Answer nothing until the caller gives up or the test is over; a release of `canceled` says that the caller did."""
        over = threading.Event()
        context.add_callback(over.set)
        while not over.wait(0.01) and not self.stopping.is_set():
            pass
        if not context.is_active():
            self.canceled.release()


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE, pushback_ms: str | None = None) -> None:
    if pushback_ms is not None:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback_ms),))
    context.abort(code, "refused by the test")


@contextmanager
def serving(act: Callable[[int, grpc.ServicerContext], None]) -> Iterator[SmallServer]:
    """The server, until the block ends."""
    one = SmallServer(act)
    with ThreadPoolExecutor(32) as pool:
        server = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
        services.add_RecommendationServiceServicer_to_server(one, server)
        one.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield one
        finally:
            one.stopping.set()
            server.stop(None).wait()
