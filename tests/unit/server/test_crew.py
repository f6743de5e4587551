"""Workers of a generation that hang, are slow, or never come to serve: real processes, engines that do as they are told."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server import exits
from server.assignment import Assignment
from server.data_plane import SERVICE
from server.ports import hold
from server.reports import ReportReader
from server.settings import Settings
from server.telemetry.board import Board

ROOT = Path(__file__).parents[3]
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Generation:
    """One, of a single worker with two request threads. reports: what it has told so far."""

    def __init__(self, directory: Path, **settings) -> None:
        self._held, board = hold("127.0.0.1", 0), Board.create(1)
        reader, writer = os.pipe()
        self._reader, self.reports = ReportReader(reader), []
        chosen = replace(Settings(bundle=directory, workers=1, threads=2, drain_wait_ms=0, drain_grace_ms=1000), **settings)
        self.log = directory / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.unit.server.told_generation"],
                stdin=subprocess.PIPE,
                stderr=log,
                pass_fds=(writer, board.fd),
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "gen", "client"))},
            )
        os.close(writer)
        Assignment(chosen, directory, self._held.address, os.getpid(), writer, board.fd, b"key").write(self.process.stdin)
        self.channel = grpc.insecure_channel(self._held.address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.recommend = RecommendationServiceStub(self.channel).RecommendCreators
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def check(self):
        return self.health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5, wait_for_ready=True).status

    def told(self, state, count=1, timeout_s=15.0):
        """The reports of that state, once there are so many."""
        until = time.monotonic() + timeout_s
        while True:
            self.reports += self._reader.read()
            found = [report for report in self.reports if report["state"] == state]
            if len(found) >= count:
                return found
            assert time.monotonic() < until, (self.reports, self.log.read_text())
            time.sleep(0.01)

    def close(self) -> None:
        self.channel.close()
        self.process.stdin.close()  # its lifeline
        self.process.wait(10)
        self._reader.close()
        self._held.close()


@pytest.fixture
def generation(tmp_path):
    opened = []

    def start(**settings):
        opened.append(Generation(tmp_path, **settings))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def hanging(seconds):
    return pb.RecommendCreatorsRequest(user=pb.User(user_id=f"hang {seconds}"))


def test_a_worker_whose_request_threads_all_hang_is_not_serving_and_then_replaced(generation):
    one = generation(worker_hang_timeout_ms=1000)
    one.told("serving")
    assert one.check() == SERVING
    calls = [one.recommend.future(hanging(60), timeout=30) for _ in range(2)]
    time.sleep(0.8)
    assert one.check() == NOT_SERVING
    (exited,) = one.told("exited")
    assert (exited["code"], exited["expected"]) == (-signal.SIGKILL, False)
    assert {call.exception().code() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    first, second = one.told("serving", 2)
    assert first["pid"] != second["pid"]
    assert one.check() == SERVING
    assert "worker hangs" in one.log.read_text()


def test_threads_that_hang_for_a_while_make_the_worker_not_serving_for_a_while(generation):
    one = generation(worker_hang_timeout_ms=10_000)
    one.told("serving")
    calls = [one.recommend.future(hanging(1.5), timeout=30) for _ in range(2)]
    time.sleep(0.8)
    assert one.check() == NOT_SERVING
    assert all(call.result().receipt for call in calls)
    assert one.check() == SERVING


def test_a_worker_that_never_comes_to_serve_is_replaced_after_its_time(generation, tmp_path):
    (tmp_path / "hang").touch()
    one = generation(worker_start_timeout_ms=1500)
    one.told("serving")
    (exited,) = one.told("exited")
    assert exited["code"] == -signal.SIGKILL
    assert "worker does not come to serve" in one.log.read_text()
    assert one.check() == SERVING


def test_workers_that_never_come_to_serve_at_all_end_the_generation_with_a_reason(generation, tmp_path):
    (tmp_path / "hang-always").touch()
    one = generation(worker_start_timeout_ms=300)
    (failed,) = one.told("failed")
    assert "workers die before they serve" in failed["text"]
    assert one.process.wait(10) == exits.FAILURE


def test_calls_in_flight_finish_before_a_stopped_worker_ends(generation):
    one = generation(drain_grace_ms=5000)
    one.told("serving")
    call = one.recommend.future(hanging(1.0), timeout=30)
    time.sleep(0.3)
    one.process.send_signal(signal.SIGTERM)
    assert call.result().receipt
    assert one.process.wait(10) == exits.OK


def test_calls_that_outlast_the_grace_are_canceled_and_hold_up_nobody(generation):
    one = generation(drain_grace_ms=1000)
    one.told("serving")
    calls = [one.recommend.future(hanging(60), timeout=30) for _ in range(2)]
    time.sleep(0.3)
    started = time.monotonic()
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(10) == exits.OK
    assert time.monotonic() - started < 1.0 + 1.0
    assert {call.exception().code() for call in calls} <= {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
