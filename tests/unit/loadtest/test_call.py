"""One call against a real server on a free port: timed, judged, and never raising."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from earshot.client import DETAILS_KEY, DOMAIN, RecommendationClient
from earshot.v1 import recommendation_service_pb2 as rpc
from earshot.v1 import recommendation_service_pb2_grpc as services
from loadtest.__main__ import refusal
from loadtest.call import call
from loadtest.options import make_parser, plan_of
from loadtest.request_drawer import Drawn
from loadtest.world import World


class _Server(services.RecommendationServiceServicer):
    """Gives as full a page as was asked for; refuses one user."""

    def RecommendCreators(self, request, context):  # noqa: N802 - gRPC's name
        if request.user.user_id == "nobody":
            packed = any_pb2.Any()
            packed.Pack(error_details_pb2.ErrorInfo(reason="UNKNOWN_USER", domain=DOMAIN))
            details = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no such user", details=[packed])
            context.set_trailing_metadata([(DETAILS_KEY, details.SerializeToString())])
            context.abort(grpc.StatusCode.NOT_FOUND, "no such user")
        page = [rpc.Recommendation(creator_id=f"c{i}", score=-i) for i in range(request.page_size)]
        return rpc.RecommendCreatorsResponse(request_id=request.request_id, receipt="x", bundle_version="v", recommendations=page)


@pytest.fixture
def target() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    services.add_RecommendationServiceServicer_to_server(_Server(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def _drawn(user_id: str) -> Drawn:
    return Drawn("market", rpc.RecommendCreatorsRequest(request_id="r", user=rpc.User(user_id=user_id), page_size=2), 5.0)


def test_a_good_answer_is_timed_by_the_clock_that_was_handed_in(target: str) -> None:
    with RecommendationClient(target) as client:
        outcome = call(client, _drawn("ada"), itertools.count(1.0, 0.25).__next__)
    assert (outcome.kind, outcome.failure, outcome.latency_ms, outcome.shown_ids) == ("market", "", 250.0, ("c0", "c1"))
    assert outcome.byte_count > 0


def test_a_status_becomes_the_name_of_the_failure(target: str) -> None:
    with RecommendationClient(target) as client:
        outcome = call(client, _drawn("nobody"), itertools.count(1.0, 0.25).__next__)
    assert (outcome.failure, outcome.latency_ms, outcome.shown_ids) == ("NOT_FOUND UNKNOWN_USER", 250.0, ())


def test_the_first_call_tells_whether_there_is_a_server_to_load(target: str) -> None:
    options = make_parser().parse_args(["smoke"])
    assert refusal(plan_of(options, "smoke", target)) == ""
    strangers = replace(plan_of(options, "smoke", target), world=World(("nobody",)))
    assert "--users-file; it said NOT_FOUND (UNKNOWN_USER)" in refusal(strangers)
    absent = refusal(plan_of(options, "smoke", "127.0.0.1:1"))
    assert absent.startswith("127.0.0.1:1 cannot be loaded: start a server")
    assert "UNAVAILABLE" in absent
    assert "\n" not in absent
