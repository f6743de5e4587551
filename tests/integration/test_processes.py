"""Processes that die, are stopped, or cannot start: what callers see, and that nothing is left behind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.client import RecommendationClient
from tests.integration.callers import HEALTH, REQUEST, WATCH, Load, window_zero_call
from tests.integration.server_process import ServerProcess, alive, run_command, wait_until


@pytest.fixture
def server(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle)) as running:
        yield running


def test_a_killed_worker_is_replaced_within_two_seconds_and_only_its_calls_fail(server):
    victim, other = server.serving_pids()
    with Load(server) as load:
        time.sleep(0.3)
        os.kill(victim, signal.SIGKILL)
        took_s = wait_until(lambda: len(pids := server.serving_pids()) == 2 and victim not in pids, 5, "two workers serve")
        time.sleep(0.3)
    assert took_s < 2.0
    assert other in server.serving_pids()
    assert set(load.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert set(load.failed_on) <= {victim}  # nobody who was connected to the other worker noticed
    assert load.codes[grpc.StatusCode.UNAVAILABLE] <= 4 * 3  # one call in flight for each caller, and attempts while its connection comes back
    status = server.status()
    assert (status.worker_restart_count, status.generation_restart_count) == (1, 0)
    assert server.log.read_text().count("bundle loaded") == 1
    assert server.metrics()["earshot_worker_restarts_total"] == 1


def test_counts_survive_the_worker_that_counted(server):
    for _ in range(5):
        server.recommend()(REQUEST, timeout=5)
    victims = server.serving_pids()
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(pids := server.serving_pids()) == 2 and not set(pids) & set(victims), 5, "two new workers serve")
    assert server.metrics()['earshot_requests_total{code="OK"}'] == 5


def test_a_killed_generation_takes_its_workers_along_and_is_started_again(server):
    old = [server.status().generation_pid, *server.serving_pids()]
    os.kill(old[0], signal.SIGKILL)
    wait_until(lambda: not any(map(alive, old)), 5, "the old generation is gone")
    wait_until(lambda: len(server.serving_pids()) == 2, 10, "two workers serve again")
    assert not set(server.serving_pids()) & set(old)
    assert server.status().generation_restart_count == 1
    assert server.recommend()(REQUEST, timeout=5).receipt


def test_a_killed_control_process_leaves_nobody(server):
    group = server.group()
    assert len(group) == 4
    server.process.kill()
    wait_until(lambda: not any(map(alive, group)), 5, "nobody is left")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_finishes_what_runs_and_exits_with_zero(server, number):
    group = server.group()
    with Load(server) as load:
        time.sleep(0.3)
        started = time.monotonic()
        server.signal(number)
        assert server.process.wait(10) == 0
        took_s = time.monotonic() - started
    assert took_s < 3.0
    assert load.codes[grpc.StatusCode.OK] > 20
    assert set(load.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert load.codes[grpc.StatusCode.CANCELLED] <= 4  # a call that had arrived and was not yet taken when gRPC stopped
    assert not any(map(alive, group))
    assert "Traceback" not in server.log.read_text()
    assert not server.ready_file.exists()


def test_health_says_not_serving_before_calls_are_refused(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--drain-wait-ms", "1500", workers=1) as server:
        recommend, health = server.recommend(), health_pb2_grpc.HealthStub(server.channel())
        watch = health.Watch(HEALTH, timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert recommend(REQUEST, timeout=2).receipt
        assert server.process.wait(10) == 0
        with pytest.raises(grpc.RpcError) as refusal:
            recommend(REQUEST, timeout=2)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_second_signal_stops_at_once(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--drain-wait-ms", "60000") as server:
        server.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.process.poll() is None
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - started < 2.0


def test_a_stop_signal_to_the_whole_group_of_processes_is_still_a_drain(server):
    """As service managers and process groups deliver it."""
    with Load(server) as load:
        time.sleep(0.3)
        for pid in server.group():
            os.kill(pid, signal.SIGTERM)
        assert server.process.wait(10) == 0
    assert set(load.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert "canceling" not in server.log.read_text()


def test_a_watcher_that_reads_nothing_blocks_neither_checks_nor_the_drain(server):
    hostile = [window_zero_call(server.facts["port"], WATCH) for _ in range(6)]
    time.sleep(0.3)
    for _ in range(4):
        stub = health_pb2_grpc.HealthStub(server.channel())
        assert stub.Check(HEALTH, timeout=2).status == health_pb2.HealthCheckResponse.SERVING
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert time.monotonic() - started < 2.5
    for connection in hostile:
        connection.close()


def test_a_port_in_use_is_told_and_exits_with_one(server, demo_bundle):
    for flag, port in (("--port", "port"), ("--control-port", "control_port"), ("--metrics-port", "metrics_port")):
        ports = {"--port": "0", "--control-port": "0", "--metrics-port": "0", flag: str(server.facts[port])}
        done = run_command("serve", "--bundle", str(demo_bundle), *(part for pair in ports.items() for part in pair))
        assert done.returncode == 1, done.stderr
        assert f"cannot listen on 127.0.0.1:{server.facts[port]}" in done.stderr
        assert "Traceback" not in done.stderr


def free_ports():
    return ("--port", "0", "--control-port", "0", "--metrics-port", "0")


def test_what_cannot_be_served_ends_with_its_exit_code(demo_bundle, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(demo_bundle, damaged)
    index = next((damaged / "indexes").rglob("*.bin"))
    content = bytearray(index.read_bytes())
    content[len(content) // 2] ^= 1
    index.write_bytes(content)
    shutil.copytree(demo_bundle, tmp_path / "another")
    cases = [
        (("--bundle", str(damaged)), 2, "CHECKSUM_MISMATCH"),
        (("--bundle", str(tmp_path)), 2, "MANIFEST_INVALID"),
        (("--bundle", str(tmp_path / "nowhere")), 66, "nowhere"),
        (("--bundles", str(tmp_path)), 78, "--bundle"),
        (("--bundle", str(demo_bundle), "--host", "0.0.0.0"), 78, "insecure"),
        (("--bundle", str(demo_bundle), "--no-such-flag", "1"), 64, "no-such-flag"),
        (("--bundle", str(demo_bundle), "--port", "http"), 78, "--port"),
    ]
    for arguments, code, text in cases:
        done = run_command("serve", *free_ports(), *arguments)
        assert (done.returncode, text in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return cert, key


def test_tls_serves_who_trusts_the_certificate_and_nobody_in_plaintext(demo_bundle, tmp_path, certificate):
    cert, key = certificate
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--tls-cert", str(cert), "--tls-key", str(key), workers=1) as server:
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        with RecommendationClient(f"localhost:{server.facts['port']}", connection_count=1, credentials=credentials) as client:
            assert client.recommend(REQUEST, timeout_s=5).receipt
        with pytest.raises(grpc.RpcError) as refusal:
            server.recommend()(REQUEST, timeout=5)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_cannot_be_used_is_a_configuration_error(demo_bundle, tmp_path):
    pem = tmp_path / "pem"
    pem.write_text("no certificate")
    done = run_command("serve", *free_ports(), "--bundle", str(demo_bundle), "--tls-cert", str(pem), "--tls-key", str(pem))
    assert (done.returncode, "tls_cert" in done.stderr.splitlines()[-2]) == (78, True), done.stderr


def test_a_bundle_that_does_not_give_its_golden_slates_is_never_served(demo_bundle, tmp_path):
    """Its digests are right: only the proof in the worker can tell."""
    bundle = tmp_path / "bundle"
    shutil.copytree(demo_bundle, bundle)
    golden = bundle / "golden.jsonl"
    first, *others = golden.read_text().splitlines(keepends=True)
    line = json.loads(first)
    line["slate"][0][1] += 0.5
    golden.write_text(json.dumps(line) + "\n" + "".join(others))
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["golden.jsonl"] = {"size": golden.stat().st_size, "sha256": hashlib.sha256(golden.read_bytes()).hexdigest()}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = run_command("serve", *free_ports(), "--bundle", str(bundle))
    assert (done.returncode, "QUALITY_GATE" in done.stderr, '"serving"' in done.stderr) == (2, True, False), done.stderr


def test_the_only_bundle_of_a_directory_is_served(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundles", str(demo_bundle.parent), workers=1) as server:
        assert server.recommend()(REQUEST, timeout=5).bundle_version == "demo-1"


def test_one_worker_of_several_that_is_asked_to_stop_finishes_and_is_replaced(server):
    victim = server.serving_pids()[0]
    os.kill(victim, signal.SIGTERM)
    wait_until(lambda: len(pids := server.serving_pids()) == 2 and victim not in pids, 5, "two workers serve")
    exits = [json.loads(line) for line in server.log.read_text().splitlines() if "worker died" in line]
    assert [line["exit_code"] for line in exits] == [0]


def test_without_a_number_there_is_a_worker_per_core_each_on_its_own(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), workers=0) as server:
        status = server.status()
        cores = [os.sched_getaffinity(worker.pid) for worker in status.workers]
        assert status.desired_worker_count == len(status.workers) == len(os.sched_getaffinity(0))
        assert all(worker.serving for worker in status.workers)
        assert sorted(core for own in cores for core in own) == sorted(os.sched_getaffinity(0))
        server.recommend()(REQUEST, timeout=5)
        assert status.worker_restart_count == 0
        assert '"error"' not in server.log.read_text()


def test_workers_that_are_told_not_to_keep_to_a_core_may_use_all(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--no-pin-workers", workers=0) as server:
        assert all(os.sched_getaffinity(worker.pid) == os.sched_getaffinity(0) for worker in server.status().workers)
