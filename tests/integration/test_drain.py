"""Stopping while callers watch, load, hold back and refuse to read: told first, then finished, then gone, in time."""

import os
import signal
import subprocess
import sys
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from server.rpc.health import MAX_WATCHES
from tests.integration.callers import CHECK, HEALTH, NOT_SERVING, RECOMMEND, REQUEST, SERVING, WATCH, Load, Watcher, window_zero_call
from tests.integration.raw_http2 import RawConnection, headers
from tests.integration.server_process import MAIN, ServerProcess, alive, environment, wait_until

GRACE_S = 2.0
WAIT_S = 0.5


@pytest.fixture
def one_worker(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), workers=1) as running:
        yield running


@pytest.fixture
def hostile():
    """Connections to be closed after the test."""
    opened = []
    yield opened
    for connection in opened:
        connection.close()


def checked(server):
    return health_pb2_grpc.HealthStub(server.channel()).Check(HEALTH, timeout=2).status


def test_a_drain_under_load_with_fifty_watches_ends_in_time_and_in_order(demo_bundle, tmp_path, hostile):
    times = ("--drain-wait-ms", str(int(WAIT_S * 1e3)), "--drain-grace-ms", str(int(GRACE_S * 1e3)))
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), *times) as server:
        port, group = server.facts["port"], server.group()
        shared = server.channel()
        watchers = [Watcher(shared) for _ in range(24)] + [Watcher(server.channel()) for _ in range(24)]
        assert all(watcher.greeted.wait(5) and watcher.statuses == [SERVING] for watcher in watchers)
        hostile += [window_zero_call(port, WATCH)]  # no window
        never_read = RawConnection(port)
        never_read.call(1, WATCH, HEALTH.SerializeToString())
        hostile += [never_read, window_zero_call(port, RECOMMEND, REQUEST.SerializeToString())]
        unfinished = RawConnection(port)
        unfinished.send(*(headers(stream, RECOMMEND) for stream in range(1, 40, 2)))
        hostile += [unfinished]
        with Load(server) as load:
            time.sleep(0.5)
            started = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.process.wait(20) == 0
            assert not any(map(alive, group))
            took_s = time.monotonic() - started
        assert took_s < GRACE_S + 1.0
        assert all(watcher.ended_within(5) for watcher in watchers)
        assert [watcher.statuses for watcher in watchers] == [[SERVING, NOT_SERVING]] * 48
        assert {watcher.code for watcher in watchers} == {grpc.StatusCode.OK}
        told_s = max(watcher.told[1][1] for watcher in watchers)
        assert told_s - started < WAIT_S < load.first_failure_s - started
        assert set(load.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert load.codes[grpc.StatusCode.CANCELLED] <= 4  # a call that had arrived and was not yet taken when gRPC stopped
        with pytest.raises(grpc.RpcError) as refusal:
            server.recommend()(REQUEST, timeout=2)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain_whatever_callers_hold_open(demo_bundle, tmp_path, hostile, second):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--drain-wait-ms", "60000", "--drain-grace-ms", "60000") as server:
        group, port = server.group(), server.facts["port"]
        hostile += [window_zero_call(port, path) for path in (WATCH, CHECK, RECOMMEND) for _ in range(4)]
        hostile += [window_zero_call(server.facts["control_port"], WATCH)]
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        started = time.monotonic()
        server.signal(second)
        assert server.process.wait(20) == 0
        assert not any(map(alive, group))
        assert time.monotonic() - started < 2.0


def test_watches_without_a_window_keep_nobody_else_waiting(one_worker, hostile):
    hostile += [window_zero_call(one_worker.facts["port"], WATCH) for _ in range(MAX_WATCHES)]
    time.sleep(0.5)
    assert [checked(one_worker) for _ in range(5)] == [SERVING] * 5
    assert one_worker.recommend()(REQUEST, timeout=2).receipt
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = reflection_pb2_grpc.ServerReflectionStub(one_worker.channel()).ServerReflectionInfo(iter([ask]), timeout=2)
    assert answer.list_services_response.service
    with pytest.raises(grpc.RpcError) as refusal:
        next(health_pb2_grpc.HealthStub(one_worker.channel()).Watch(HEALTH, timeout=2))
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_watches_over_the_limit_are_refused_and_one_that_closes_makes_room(one_worker):
    stub = health_pb2_grpc.HealthStub(one_worker.channel())
    watches = [stub.Watch(HEALTH, timeout=20) for _ in range(MAX_WATCHES)]
    assert [next(watch).status for watch in watches] == [SERVING] * MAX_WATCHES
    surplus = [health_pb2_grpc.HealthStub(one_worker.channel()).Watch(HEALTH, timeout=5) for _ in range(20)]
    assert {watch.code() for watch in surplus} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert checked(one_worker) == SERVING
    watches.pop().cancel()

    def another():
        try:
            return next(stub.Watch(HEALTH, timeout=5)).status == SERVING
        except grpc.RpcError:
            return False

    wait_until(another, 5, "there is room for another watch")


def test_health_knows_services_and_answers_not_found_for_others(one_worker):
    with pytest.raises(grpc.RpcError) as refusal:
        health_pb2_grpc.HealthStub(one_worker.channel()).Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=2)
    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("after_s", [0.05, 0.4, 0.7, 1.0])
def test_a_stop_while_the_server_starts_leaves_nobody(demo_bundle, tmp_path, after_s):
    """Before it can handle signals it dies of them; later it stops in order."""
    ports = ("--port", "0", "--control-port", "0", "--metrics-port", "0")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", MAIN, "serve", *ports, "--bundle", str(demo_bundle)], env=environment(), stderr=log)
    server = ServerProcess.__new__(ServerProcess)
    server.process = process
    time.sleep(after_s)
    group = server.group()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(10) in {0, -signal.SIGTERM}
    wait_until(lambda: not any(map(alive, group)), 2, "no process is left")
    assert "Traceback" not in (tmp_path / "log").read_text()
