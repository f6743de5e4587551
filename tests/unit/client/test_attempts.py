"""Attempts of a call against real servers: what is retried, when, over which connection, and what a caller gets. Both clients do the same."""

from __future__ import annotations

import time

import grpc
import pytest

from earshot.client import NO_RETRIES, CallPolicy, RefusedLocally, reason_of
from earshot.v1 import recommendation_service_pb2 as pb
from tests.unit.client.either import CLIENTS
from tests.unit.client.small_server import REQUEST, refuse, serving

PATIENT_S = 15.0  # nothing here takes long; a busy machine may
QUICK = CallPolicy(initial_backoff_s=0.001, max_backoff_s=0.001)
HEDGED = CallPolicy(hedging_delay_s=0.02, max_attempts=2)  # for servers that stall
SELDOM_HEDGED = CallPolicy(hedging_delay_s=60, max_attempts=2)  # where no hedge is due


@pytest.fixture(params=CLIENTS)
def client_of(request):
    return CLIENTS[request.param]


def failing(attempt_count: int, **how):
    """An act that refuses so many attempts."""
    return lambda number, context: refuse(context, **how) if number <= attempt_count else None


def error_of(client, timeout_s: float = PATIENT_S):
    with pytest.raises(grpc.RpcError) as failure:
        client.recommend(REQUEST, timeout_s)
    return failure.value


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_call_that_a_worker_refused_is_made_again_with_the_same_id_over_another_connection(client_of, code):
    with serving(failing(2, code=code)) as server, client_of(server.target, policy=QUICK, connection_count=3) as client:
        response = client.recommend(REQUEST, PATIENT_S)
    assert response.receipt == "attempt 3"
    assert len(set(server.request_ids)) == 1
    assert len(server.request_ids[0]) == 32
    assert len(set(server.peers)) == 3
    counts = client.counts
    assert (counts.call_count, counts.attempt_count, counts.retry_count, counts.hedge_count, counts.attempts_per_call) == (1, 3, 2, 0, 3.0)


def test_an_id_that_the_caller_chose_is_kept_and_the_callers_message_is_never_changed(client_of):
    own = pb.RecommendCreatorsRequest(request_id="mine", user=REQUEST.user)
    with serving(lambda number, context: None) as server, client_of(server.target) as client:
        assert client.recommend(own, PATIENT_S).request_id == "mine"
        first, second = (client.recommend(REQUEST, PATIENT_S).request_id for _ in range(2))
    assert first != second
    assert REQUEST.request_id == ""


@pytest.mark.parametrize("policy", [QUICK, SELDOM_HEDGED], ids=["in turn", "side by side"])
def test_the_headers_of_batch_calls_say_so_in_every_attempt_and_those_of_others_nothing(client_of, policy):
    said = []

    def act(number, context):
        said.append(dict(context.invocation_metadata()).get("earshot-priority"))
        if number == 1:
            refuse(context)

    batch = pb.RecommendCreatorsRequest(user=REQUEST.user, priority=pb.PRIORITY_BATCH)
    with serving(act) as server, client_of(server.target, policy=policy) as client:
        assert client.recommend(batch, PATIENT_S).receipt == "attempt 2"
        client.recommend(REQUEST, PATIENT_S)
    assert said == ["batch", "batch", None]


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL]
)
def test_what_another_attempt_could_not_mend_is_not_tried_again(client_of, code):
    with serving(failing(9, code=code)) as server, client_of(server.target, policy=QUICK) as client:
        assert error_of(client).code() is code
    assert server.attempt_count == 1


def test_attempts_end_with_the_policys_number_and_the_servers_last_word(client_of):
    with serving(failing(9)) as server, client_of(server.target, policy=QUICK, throttle=None) as client:
        error = error_of(client)
    assert (error.code(), error.details(), isinstance(error, RefusedLocally)) == (grpc.StatusCode.UNAVAILABLE, "refused by the test", False)
    assert server.attempt_count == 3


def test_without_retries_each_call_is_one_attempt(client_of):
    with serving(failing(1)) as server, client_of(server.target, policy=NO_RETRIES) as client:
        assert error_of(client).code() is grpc.StatusCode.UNAVAILABLE
        assert server.attempt_count == 1


def test_a_pushback_sets_the_pause(client_of):
    with serving(failing(1, pushback_ms="300")) as server, client_of(server.target, policy=QUICK) as client:
        started_s = time.monotonic()
        client.recommend(REQUEST, PATIENT_S)
        assert time.monotonic() - started_s >= 0.3
    assert server.attempt_count == 2


@pytest.mark.parametrize("pushback_ms", ["-1", "-100", "soon", ""])
@pytest.mark.parametrize("policy", [QUICK, SELDOM_HEDGED], ids=["retries", "hedges"])
def test_a_negative_pushback_or_nonsense_in_its_place_forbids_another_attempt(client_of, pushback_ms, policy):
    with serving(failing(9, pushback_ms=pushback_ms)) as server, client_of(server.target, policy=policy) as client:
        assert error_of(client).code() is grpc.StatusCode.UNAVAILABLE
    assert server.attempt_count == 1


def test_a_pushback_beyond_the_deadline_ends_the_call_at_once_with_the_refusal(client_of):
    """grpcio's own retries would wait until the deadline, and say DEADLINE_EXCEEDED."""
    with serving(failing(9, pushback_ms="60000")) as server, client_of(server.target) as client:
        assert error_of(client, timeout_s=30).code() is grpc.StatusCode.UNAVAILABLE
    assert server.attempt_count == 1


def test_the_deadline_holds_for_all_attempts_together_and_reaches_the_server(client_of):
    left_s = []

    def act(number, context):
        left_s.append(context.time_remaining())
        refuse(context, pushback_ms="200")

    with serving(act) as server, client_of(server.target, throttle=None) as client:
        error_of(client, timeout_s=PATIENT_S)
    assert PATIENT_S * 1.02 >= left_s[0] > left_s[1] > left_s[2]  # on the wire time limits are rounded up, by 1 % or so
    assert left_s[0] - left_s[2] >= 0.2  # twice 0.2 s lie between them, less that rounding


def test_a_server_that_answers_too_late_is_given_up_at_the_deadline(client_of):
    with serving(lambda number, context: server.hang(context)) as server, client_of(server.target) as client:
        assert error_of(client, timeout_s=1.5).code() is grpc.StatusCode.DEADLINE_EXCEEDED  # long enough to connect on a busy machine
    assert server.attempt_count == 1


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_call_without_a_deadline_is_refused_by_name(client_of, timeout_s):
    with serving(lambda number, context: None) as server, client_of(server.target) as client:
        with pytest.raises(ValueError, match="timeout_s is"):
            client.recommend(REQUEST, timeout_s)
        assert client.counts.call_count == server.attempt_count == 0


def test_a_server_that_refuses_everything_gets_few_retries(client_of):
    """Ten tokens, retries above five: at most five retries, however many calls (gRFC A6)."""
    with serving(failing(10**6)) as server, client_of(server.target, policy=QUICK, throttle=None) as client:
        for _ in range(100):
            error_of(client)
    assert 100 < server.attempt_count <= 105
    assert client.counts.attempts_per_call == server.attempt_count / 100 <= 1.10


def test_a_hedge_answers_for_a_stalled_attempt_which_is_canceled(client_of):
    def act(number, context):
        if number == 1:
            server.hang(context)

    with serving(act) as server, client_of(server.target, policy=HEDGED, connection_count=2) as client:
        response = client.recommend(REQUEST, PATIENT_S)
        assert response.receipt == "attempt 2"
        assert server.canceled.acquire(timeout=PATIENT_S)
    assert len(set(server.request_ids)) == 1
    assert len(set(server.peers)) == 2
    assert (client.counts.hedge_count, client.counts.retry_count, client.counts.attempt_count) == (1, 0, 2)


def test_a_prompt_answer_needs_no_hedge(client_of):
    with serving(lambda number, context: None) as server, client_of(server.target, policy=SELDOM_HEDGED) as client:
        for _ in range(5):
            client.recommend(REQUEST, PATIENT_S)
    assert server.attempt_count == 5
    assert client.counts.attempts_per_call == 1.0


def test_an_attempt_that_failed_is_replaced_at_once_where_calls_are_hedged(client_of):
    with serving(failing(1)) as server, client_of(server.target, policy=SELDOM_HEDGED) as client:
        assert client.recommend(REQUEST, timeout_s=PATIENT_S).receipt == "attempt 2"
    assert (client.counts.hedge_count, client.counts.retry_count) == (0, 1)


def test_a_hedged_call_fails_with_the_first_error_that_no_attempt_could_mend(client_of):
    def act(number, context):
        if number == 1:
            server.hang(context)
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT)

    with serving(act) as server, client_of(server.target, policy=HEDGED) as client:
        assert error_of(client).code() is grpc.StatusCode.INVALID_ARGUMENT
        assert server.canceled.acquire(timeout=PATIENT_S)


def test_hedges_stop_when_too_many_attempts_fail(client_of):
    with serving(failing(10**6)) as server, client_of(server.target, policy=SELDOM_HEDGED, throttle=None) as client:
        for _ in range(50):
            error_of(client)
    assert server.attempt_count <= 55


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED])
def test_a_local_refusal_sends_nothing_and_can_be_told_from_the_servers(client_of, code):
    with serving(failing(10**6, code=code)) as server, client_of(server.target, policy=NO_RETRIES) as client:
        errors = [error_of(client) for _ in range(200)]
    local = [error for error in errors if isinstance(error, RefusedLocally)]
    assert len(local) + server.attempt_count == 200
    assert server.attempt_count < 100
    assert client.counts.refused_locally_count == len(local)
    assert client.counts.attempt_count == server.attempt_count
    assert {error.code() for error in local} == {grpc.StatusCode.UNAVAILABLE}
    assert {reason_of(error) for error in local} == {""}
    assert "refused by this client" in local[0].details()


def test_all_connections_are_used(client_of):
    with serving(lambda number, context: None) as server, client_of(server.target, connection_count=5) as client:
        for _ in range(10):
            client.recommend(REQUEST, PATIENT_S)
    assert len(set(server.peers)) == 5


def test_a_client_without_connections_is_refused(client_of):
    from earshot.client import AsyncRecommendationClient, RecommendationClient

    for kind in (RecommendationClient, AsyncRecommendationClient):
        with pytest.raises(ValueError, match="connection_count is 0"):
            kind("127.0.0.1:1", connection_count=0)
