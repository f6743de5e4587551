"""The data plane over real sockets with engines that answer as told: errors, deadlines, admission, health, drain."""

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2

from domain.errors import StageFailure, UnknownUser
from earshot.client import RecommendationClient, error_info_of, reason_of
from earshot.v1 import recommendation_service_pb2 as pb
from server.data_plane import SERVICE
from server.rpc import pulse
from server.rpc.health import MAX_WATCHES
from server.telemetry import board as slots
from tests.unit.server.edge import PUSHBACKS_MS, REQUEST, answer, refused
from tests.unit.server.small_world import recommended


def test_an_answer_arrives_with_the_id_that_was_sent(edge):
    response = edge(answer).recommend(REQUEST, timeout=5)
    assert response.request_id == "r1"
    assert [r.creator_id for r in response.recommendations] == ["ü", "a"]


def test_a_request_error_arrives_with_its_code_and_reason(edge):
    def act(request, terms):
        raise UnknownUser("no such user", {"user_id": request.user_id})

    error = refused(edge(act).recommend, REQUEST, timeout=5)
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_USER")
    assert dict(error_info_of(error).metadata) == {"user_id": "listener-1"}


@pytest.mark.parametrize(
    "problem", [ValueError("secret"), StageFailure("secret"), SystemExit("secret"), KeyboardInterrupt("secret"), GeneratorExit("secret")]
)
def test_anything_else_is_internal_with_an_id_that_the_log_has_and_no_text(edge, problem, caplog):
    def act(request, terms):
        raise problem

    error = refused(edge(act).recommend, REQUEST, timeout=5)
    error_id = error_info_of(error).metadata["error_id"]
    assert (error.code(), error.details(), reason_of(error)) == (grpc.StatusCode.INTERNAL, f"internal error {error_id}", "INTERNAL")
    (line,) = [record for record in caplog.records if record.message == "internal error"]
    assert (line.fields["error_id"], str(line.exc_info[1])) == (error_id, "secret")


def test_undecodable_bytes_are_invalid_and_named_so(edge):
    raw = edge(answer).channel.unary_unary(f"/{SERVICE}/RecommendCreators")
    error = refused(raw, b"\xff\xff\xff", timeout=5)
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.mark.parametrize(("timeout_s", "least", "most"), [(None, 0.2, 0.3), (60.0, 19.0, 20.0), (10.0, 5.0, 10.0)])
def test_the_engine_gets_the_callers_deadline_capped_or_the_default_less_the_reserve(edge, timeout_s, least, most):
    seen = []

    def act(request, terms):
        seen.append(terms.deadline.remaining_s())
        return recommended()

    edge(act, default_deadline_ms=300, max_deadline_ms=20_000, reply_reserve_ms=1).recommend(REQUEST, timeout=timeout_s)
    assert least < seen[0] <= most * 1.02 - 0.001  # on the wire time limits are rounded up, by 1 % or so


def test_a_deadline_that_has_passed_costs_no_work(edge):
    """The call waits behind busy threads until it is late."""
    release, worked = threading.Event(), []

    def act(request, terms):
        worked.append(request.request_id)
        release.wait(10)
        return recommended()

    one = edge(act)
    busy = [one.recommend.future(pb.RecommendCreatorsRequest(request_id=str(i), user=REQUEST.user), timeout=10) for i in range(2)]
    while len(worked) < 2:
        time.sleep(0.01)
    late = one.recommend.future(REQUEST, timeout=0.1)
    assert late.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
    release.set()
    assert all(call.result().request_id for call in busy)
    one.recommend(pb.RecommendCreatorsRequest(request_id="after", user=REQUEST.user), timeout=5)
    assert sorted(worked) == ["0", "1", "after"]


def test_more_than_may_wait_is_refused_at_once_with_a_pushback_while_health_answers(edge):
    release = threading.Event()

    def act(request, terms):
        running.release()
        release.wait(10)
        return recommended()

    one, running = edge(act), threading.Semaphore(0)
    calls = [one.recommend.future(REQUEST, timeout=10) for _ in range(2)]
    assert all(running.acquire(timeout=5) for _ in calls)
    calls += [one.recommend.future(REQUEST, timeout=10) for _ in range(10)]
    time.sleep(0.7)
    refusals = [call for call in calls if call.done()]
    assert one.check() == health_pb2.HealthCheckResponse.SERVING
    release.set()
    for call in refusals:
        assert (call.code(), reason_of(call.exception())) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
        assert dict(call.trailing_metadata())["grpc-retry-pushback-ms"] in PUSHBACKS_MS
    served = [call for call in calls if call not in refusals]
    assert all(call.result().request_id == "r1" for call in served)
    assert len(served) == 4  # two run and two wait


def done_within(call, timeout_s):
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and not call.done():
        time.sleep(0.01)
    return call.done()


def test_health_knows_the_service_and_refuses_others(edge):
    one = edge(answer)
    assert one.check("") == one.check(SERVICE) == health_pb2.HealthCheckResponse.SERVING
    assert refused(one.check, "nobody").code() is grpc.StatusCode.NOT_FOUND
    listed = one.health.List(health_pb2.HealthListRequest(), timeout=5).statuses
    assert set(listed) == {"", SERVICE}


def test_health_reports_request_threads_that_hang(edge, monkeypatch):
    monkeypatch.setattr(pulse, "STUCK_S", 0.1)
    release = threading.Event()

    def act(request, terms):
        release.wait(10)
        return recommended()

    one = edge(act)
    calls = [one.recommend.future(REQUEST, timeout=10) for _ in range(2)]
    time.sleep(0.5)
    assert one.check() == health_pb2.HealthCheckResponse.NOT_SERVING
    release.set()
    assert all(call.result().request_id for call in calls)
    assert one.check() == health_pb2.HealthCheckResponse.SERVING


def test_watch_tells_changes_and_ends_at_the_drain(edge):
    one = edge(answer)
    watch = one.health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    unknown = one.health.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=10)
    assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    one.plane.report_not_serving()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    started = time.monotonic()
    assert one.plane.stop(5.0).wait(5)
    assert time.monotonic() - started < 1.0


def test_watches_are_limited_and_do_not_keep_checks_waiting(edge):
    one = edge(answer)
    watches = [one.health.Watch(health_pb2.HealthCheckRequest(), timeout=20) for _ in range(MAX_WATCHES)]
    for watch in watches:
        next(watch)
    surplus = one.health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert refused(next, surplus).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert one.check() == health_pb2.HealthCheckResponse.SERVING
    watches.pop().cancel()
    time.sleep(0.2)
    assert next(one.health.Watch(health_pb2.HealthCheckRequest(), timeout=5)).status == health_pb2.HealthCheckResponse.SERVING


def test_the_last_thing_that_a_watch_tells_is_the_drain_even_without_a_wait(edge):
    one = edge(answer)
    watches = [one.health.Watch(health_pb2.HealthCheckRequest(), timeout=10) for _ in range(20)]
    for watch in watches:
        next(watch)
    one.plane.stop(5.0)
    assert [[answer.status for answer in watch] for watch in watches] == [[health_pb2.HealthCheckResponse.NOT_SERVING]] * 20


def test_a_drain_lets_running_calls_finish_and_takes_no_more(edge):
    started, release = threading.Event(), threading.Event()

    def act(request, terms):
        started.set()
        release.wait(10)
        return recommended()

    one = edge(act)
    running = one.recommend.future(REQUEST, timeout=10)
    started.wait(5)
    one.plane.report_not_serving()
    assert one.check() == health_pb2.HealthCheckResponse.NOT_SERVING
    stopped = one.plane.stop(5.0)
    assert refused(one.recommend, REQUEST, timeout=5).code() is grpc.StatusCode.UNAVAILABLE
    release.set()
    assert running.result().request_id == "r1"
    assert stopped.wait(1)


def test_what_runs_beyond_the_grace_is_canceled(edge):
    release = threading.Event()

    def act(request, terms):
        release.wait(10)
        return recommended()

    one = edge(act)
    running = one.recommend.future(REQUEST, timeout=10)
    time.sleep(0.2)
    one.plane.stop(0.1)
    assert running.exception().code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    release.set()


def test_requests_are_counted_by_code_and_stage(edge):
    def act(request, terms):
        if request.user_id == "nobody":
            raise UnknownUser("no such user")
        return recommended()

    one = edge(act)
    for user_id in ("a", "b", "nobody"):
        done_within(one.recommend.future(pb.RecommendCreatorsRequest(user=pb.User(user_id=user_id)), timeout=5), 5)
    time.sleep(0.1)
    totals = one.board.totals()
    assert totals[slots.REQUESTS + 0] == 2
    assert totals[slots.REQUESTS + grpc.StatusCode.NOT_FOUND.value[0]] == 1
    assert totals[slots.IN_FLIGHT] == 0
    assert totals[slots.CREATORS + slots.SERVED] == 4
    assert sum(totals[slots.DURATION : slots.DURATION + slots.BUCKET_COUNT]) == 3


def test_an_access_line_tells_what_happened_without_the_user(edge, caplog):
    caplog.set_level(logging.INFO)
    one = edge(answer)
    one.recommend(REQUEST, timeout=5)
    time.sleep(0.1)
    one.plane.flush_logs()
    (line,) = [record.fields for record in caplog.records if record.message == "request"]
    assert (line["request_id"], line["code"], line["served"], line["retrieved"], line["removed"]) == ("r1", "OK", 2, 3, 1)
    assert line["stages_ms"] == {"retrieve": 2.0, "rank": 4.0}
    assert "listener-1" not in json.dumps(line)
    assert len(line["user"]) == 16


def test_the_client_spreads_over_connections_and_retries_what_a_stopping_worker_refused(edge):
    failures = iter([True, False, True, False])

    def act(request, terms):
        from domain.errors import NotServing

        if next(failures):
            raise NotServing("draining")
        return recommended()

    one = edge(act)
    with RecommendationClient(one.held.address, connection_count=2) as client:
        assert client.recommend(REQUEST, timeout_s=5).request_id == "r1"
        assert client.recommend(REQUEST, timeout_s=5).request_id == "r1"
    with pytest.raises(ValueError, match="connection_count"):
        RecommendationClient(one.held.address, connection_count=0)


def test_many_calls_at_once_are_all_answered(edge):
    one = edge(answer, threads=4, max_pending_requests=64)
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: one.recommend(REQUEST, timeout=10), range(200)))
    assert all(len(response.recommendations) == 2 for response in responses)
