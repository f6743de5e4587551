"""What grpcio's core does by itself with a service config. These are the reasons for which the client obeys it on its own (docs/client.md)."""

from __future__ import annotations

import json
import time

import grpc
import pytest

from earshot.client import SERVICE_CONFIG, open_channel
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from tests.unit.client.small_server import REQUEST, refuse, serving

HEDGING = json.dumps(
    {
        "methodConfig": [
            {"name": [{}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s", "nonFatalStatusCodes": ["UNAVAILABLE"]}},
        ]
    }
)


def call(target: str, config: str = SERVICE_CONFIG, timeout_s: float = 15.0):
    """(response or error, what came with it)."""
    with open_channel(target, own_connection=True, service_config=config) as channel:
        try:
            return RecommendationServiceStub(channel).RecommendCreators.with_call(REQUEST, timeout=timeout_s)
        except grpc.RpcError as error:
            return error, error


def test_it_retries_on_the_connection_that_failed_and_does_not_tell_the_caller():
    with serving(lambda number, context: refuse(context) if number < 3 else None) as server:
        response, told = call(server.target)
    assert response.receipt == "attempt 3"
    assert len(set(server.peers)) == 1
    assert "grpc-previous-rpc-attempts" not in {key for key, _ in (*told.initial_metadata(), *told.trailing_metadata())}


@pytest.mark.parametrize(("pushback_ms", "attempt_count"), [("10", 3), ("-1", 1)])
def test_it_honors_pushback(pushback_ms, attempt_count):
    with serving(lambda number, context: refuse(context, pushback_ms=pushback_ms)) as server:
        assert call(server.target)[0].code() is grpc.StatusCode.UNAVAILABLE
    assert server.attempt_count == attempt_count


def test_it_waits_in_vain_for_a_pushback_beyond_the_deadline():
    with serving(lambda number, context: refuse(context, pushback_ms="60000")) as server:
        assert call(server.target, timeout_s=1.0)[0].code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_each_channel_has_a_bucket_of_its_own():
    with serving(lambda number, context: refuse(context)) as server:
        for _ in range(3):
            call(server.target)
    assert server.attempt_count == 9


def test_it_accepts_a_hedging_policy_and_never_hedges():
    with serving(lambda number, context: time.sleep(0.2)) as server:
        call(server.target, HEDGING)
    assert server.attempt_count == 1
