"""What an operator sees of the real server: health, reflection, status, metrics, logs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.v1 import bundle_service_pb2, bundle_service_pb2_grpc
from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.server_process import wait_until

BUF = Path(sys.executable).with_name("buf")
DATA, CONTROL = "earshot.v1.RecommendationService", "earshot.v1.BundleService"
REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"), page_size=5)


def buf_curl(*arguments):
    command = [str(BUF), "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("protocol", ["grpc-v1", "grpc-v1alpha"])
def test_a_slate_by_reflection_alone(demo_server, protocol):
    url = f"http://{demo_server.target}/{DATA}/RecommendCreators"
    answer = json.loads(buf_curl("--reflect-protocol", protocol, "-d", '{"user": {"user_id": "listener-0001"}, "page_size": 3}', url))
    assert len(answer["recommendations"]) == 3
    assert {"creatorId", "score", "similarity", "name"} <= answer["recommendations"][0].keys()


def test_reflection_lists_and_describes_all_services_itself_included(demo_server):
    health, both = "grpc.health.v1.Health/Check", {f"grpc.reflection.{v}.ServerReflection/ServerReflectionInfo" for v in ("v1", "v1alpha")}
    for target, own in ((demo_server.target, f"{DATA}/RecommendCreators"), (demo_server.control_target, f"{CONTROL}/GetServingStatus")):
        assert {own, health, *both} <= set(buf_curl("--list-methods", f"http://{target}").split())


def test_health_of_both_planes(demo_server):
    for target, service in ((demo_server.target, DATA), (demo_server.control_target, CONTROL), (demo_server.control_target, DATA)):
        stub = health_pb2_grpc.HealthStub(demo_server.channel(target))
        for name in ("", service):
            assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as refusal:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=5)
        assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_control_plane_tells_bundle_and_workers(demo_server):
    status = demo_server.status()
    assert status.active == status.desired
    assert (status.active.version, status.active.creator_count, status.active.embedding_dimension_count) == ("demo-1", 4000, 24)
    assert [worker.serving for worker in status.workers] == [True, True]
    assert {worker.pid for worker in status.workers} == set(demo_server.facts["workers"])
    assert status.generation_pid == demo_server.facts["generation_pid"]
    stub = bundle_service_pb2_grpc.BundleServiceStub(demo_server.channel(demo_server.control_target))
    assert list(stub.ListBundles(bundle_service_pb2.ListBundlesRequest(), timeout=5).bundles) == [status.desired]


def test_metrics_count_the_requests_of_all_workers(demo_server):
    before = demo_server.metrics()
    for _ in range(10):
        demo_server.recommend()(REQUEST, timeout=5)
    time.sleep(0.1)
    after = demo_server.metrics()
    grown = {name: after[name] - before[name] for name in after}
    assert grown['earshot_requests_total{code="OK"}'] == 10
    assert grown["earshot_request_duration_seconds_count"] == 10
    assert all(
        grown[f'earshot_stage_duration_seconds_count{{stage="{stage}"}}'] == 10 for stage in ("look_up", "retrieve", "filter", "rank", "compose")
    )
    assert grown['earshot_creators_total{count="served"}'] == 50
    assert (after["earshot_workers_serving"], after["earshot_workers_desired"], after["earshot_requests_in_flight"]) == (2, 2, 0)


def test_each_request_has_an_access_line_and_every_line_is_json(demo_server):
    demo_server.recommend()(pb.RecommendCreatorsRequest(request_id="look-for-me", user=REQUEST.user), timeout=5)
    wait_until(lambda: "look-for-me" in demo_server.log.read_text(), 5, "the access line is written")
    lines = [json.loads(line) for line in demo_server.log.read_text().splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "look-for-me"]
    assert (line["code"], line["process"], line["served"]) == ("OK", "worker", 20)
    assert line["pid"] in demo_server.facts["workers"]
    assert line["stages_ms"].keys() == {"look_up", "retrieve", "filter", "rank", "compose"}
    assert "listener-0001" not in demo_server.log.read_text()
    assert {"generation started", "bundle loaded", "serving", "ready"} <= {line["message"] for line in lines}
