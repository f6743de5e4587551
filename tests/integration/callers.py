"""Callers of a server process, good and bad, for tests of what the one costs the other."""

from __future__ import annotations

import threading
import time
from collections import Counter

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.raw_http2 import END_STREAM, NO_WINDOW, RawConnection, data, headers, message
from tests.integration.server_process import ServerProcess

REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"))
DIAGNOSED = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"), view=pb.RESPONSE_VIEW_DIAGNOSTIC)
HEALTH = health_pb2.HealthCheckRequest(service="earshot.v1.RecommendationService")
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"


class Load:
    """Callers in threads, each on a connection of its own, that note the code of every call, and whose connection it was that broke.

    failed_on: by worker, the callers whose first failure came on a connection that this worker had answered.
    first_failure_s: on the monotonic clock; infinite while all is well.
    """

    def __init__(self, server: ServerProcess, callers: int = 4) -> None:
        self.codes: Counter[grpc.StatusCode] = Counter()
        self.failed_on: Counter[int] = Counter()
        self.first_failure_s = float("inf")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(server.recommend(),)) for _ in range(callers)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, recommend) -> None:
        pid = 0
        while not self._stop.is_set():
            try:
                pid = recommend(DIAGNOSED, timeout=2).diagnostics.worker_pid
                self.codes[grpc.StatusCode.OK] += 1
            except grpc.RpcError as error:
                self.first_failure_s = min(self.first_failure_s, time.monotonic())
                self.codes[error.code()] += 1
                self.failed_on.update([pid] if pid else [])
                pid = 0
                time.sleep(0.01)


class Watcher:
    """One Health.Watch read by a thread: what it was told, when, and how it ended."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.told: list[tuple[int, float]] = []
        self.code: grpc.StatusCode | None = None
        self.greeted = threading.Event()
        self._watch = health_pb2_grpc.HealthStub(channel).Watch(HEALTH, timeout=30)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def statuses(self) -> list[int]:
        """What it was told, in order."""
        return [status for status, _ in self.told]

    def ended_within(self, timeout_s: float) -> bool:
        """Whether the stream ends in that time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for answer in self._watch:
                self.told.append((answer.status, time.monotonic()))
                self.greeted.set()
        except grpc.RpcError:
            self._watch.cancel()
        self.code = self._watch.code()
        self.greeted.set()


def window_zero_call(port: int, path: str, body: bytes = b"") -> RawConnection:
    """A call whose answer can never be sent: no flow-control window is ever opened."""
    raw = RawConnection(port, NO_WINDOW)
    raw.send(headers(1, path), data(1, message(body), END_STREAM))
    return raw
