"""Calls that come at the wrong time: no bundle yet, too many at once. Both are UNAVAILABLE, and pass."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.client import error_info_of
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from tests.integration.server_process import ServerProcess, wait_until

REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"))
LARGE = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"), exact=True, page_size=500, candidate_count=4000)
HEALTH = health_pb2.HealthCheckRequest(service="earshot.v1.RecommendationService")
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def test_before_the_bundle_is_loaded_calls_are_unavailable_and_health_says_so(demo_bundle, tmp_path):
    """The process that loads it is held up before it gets far."""
    port, control_port = free_port(), free_port()
    server = ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--port", str(port), "--control-port", str(control_port), workers=1)
    wait_until(lambda: children(server.process.pid), 20, "the bundle is being loaded")
    (loading,) = children(server.process.pid)
    os.kill(loading, signal.SIGSTOP)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{control_port}") as control, grpc.insecure_channel(f"127.0.0.1:{port}") as data:
            health = health_pb2_grpc.HealthStub(control)
            assert health.Check(HEALTH, timeout=20, wait_for_ready=True).status == NOT_SERVING
            error = RecommendationServiceStub(data).RecommendCreators.future(REQUEST, timeout=5).exception()
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            os.kill(loading, signal.SIGCONT)
            with server:
                wait_until(lambda: health.Check(HEALTH, timeout=5).status == SERVING, 20, "health says SERVING")
                assert server.recommend()(REQUEST, timeout=5).receipt
    finally:
        server.process.kill()
        server.process.wait()
        with suppress(ProcessLookupError):
            os.kill(loading, signal.SIGCONT)  # it ends when its parent has gone


def test_more_calls_than_may_wait_are_unavailable_with_a_hint_and_the_others_are_served(demo_bundle, tmp_path):
    limits = ("--threads", "1", "--max-pending-requests", "2")
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), *limits, workers=1) as server:
        recommend = server.recommend()
        recommend(REQUEST, timeout=5)
        calls = [recommend.future(LARGE, timeout=20) for _ in range(24)]
        errors = [error for call in calls if (error := call.exception()) is not None]
        assert 0 < len(errors) < len(calls)
        assert {(error.code(), error_info_of(error).reason, error_info_of(error).domain) for error in errors} == {
            (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", "earshot")
        }
        assert all(dict(error.trailing_metadata())["grpc-retry-pushback-ms"] in {"30", "40", "50", "60", "70"} for error in errors)
        time.sleep(0.1)
        assert recommend(REQUEST, timeout=5).receipt
