"""How calls reach their threads: only whole requests do, so that callers who never finish theirs hold up nobody."""

import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.client import reason_of
from server.rpc import unfinished
from server.rpc.reflection import V1
from tests.integration.raw_http2 import END_STREAM, RawConnection, data, headers, message, reset
from tests.unit.server.edge import PUSHBACKS_MS, REQUEST, answer, refused
from tests.unit.server.small_world import recommended

RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def raw():
    opened = []

    def connect(edge):
        opened.append(RawConnection(edge.held.port))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.mark.parametrize("path", [RECOMMEND, CHECK, WATCH])
def test_calls_whose_message_never_comes_hold_up_nobody(edge, raw, path):
    one = edge(answer)
    for connection in [raw(one) for _ in range(3)]:
        connection.send(*(headers(stream, path) for stream in range(1, 180, 2)))
    time.sleep(0.2)
    assert one.recommend(REQUEST, timeout=5).request_id == "r1"
    assert one.check() == SERVING
    assert next(one.health.Watch(health_pb2.HealthCheckRequest(), timeout=5)).status == SERVING


def test_reflections_that_ask_nothing_hold_up_only_reflection(edge, raw):
    one = edge(answer)
    raw(one).send(*(headers(stream, f"/{V1}/ServerReflectionInfo") for stream in range(1, 180, 2)))
    time.sleep(0.2)
    assert one.recommend(REQUEST, timeout=5).request_id == "r1"
    assert one.check() == SERVING


def test_a_message_in_small_pieces_is_answered_when_it_is_whole(edge, raw):
    connection, body = raw(edge(answer)), message(REQUEST.SerializeToString())
    connection.send(headers(1, RECOMMEND))
    for place in range(len(body)):
        connection.send(data(1, body[place : place + 1]))
    connection.send(data(1, b"", END_STREAM))
    assert connection.status(1) == 0


def test_a_caller_that_is_done_without_a_message_is_told_so(edge, raw):
    connection = raw(edge(answer))
    connection.send(headers(1, RECOMMEND), data(1, b"", END_STREAM))
    assert connection.status(1) == grpc.StatusCode.UNIMPLEMENTED.value[0]


def test_a_call_given_up_before_its_message_is_forgotten(edge, raw):
    one = edge(answer)
    connection = raw(one)
    connection.send(*(headers(stream, RECOMMEND) + reset(stream) for stream in range(1, 2000, 2)))
    until = time.monotonic() + 5
    while time.monotonic() < until and (one.unfinished or one.states()):
        time.sleep(0.01)
    assert (one.unfinished, len(one.states())) == (0, 0)
    assert one.recommend(REQUEST, timeout=5).request_id == "r1"


def test_beyond_the_limit_the_call_that_has_been_incomplete_longest_is_canceled(edge, raw, monkeypatch):
    monkeypatch.setattr(unfinished, "MAX_UNFINISHED", 10)
    one = edge(answer)
    connection = raw(one)
    connection.send(*(headers(stream, RECOMMEND) for stream in range(1, 41, 2)))
    time.sleep(0.3)
    assert one.unfinished == 10
    connection.send(data(39, message(REQUEST.SerializeToString()), END_STREAM))
    assert connection.status(39) == 0


def test_what_arrives_together_is_refused_beyond_the_limit_without_a_thread(edge, raw):
    release = threading.Event()

    def act(request, terms):
        release.wait(10)
        return recommended()

    one = edge(act, threads=1, max_pending_requests=2)
    connection, streams = raw(one), range(1, 100, 2)
    connection.send(*(headers(stream, RECOMMEND) for stream in streams))
    connection.send(*(data(stream, message(REQUEST.SerializeToString()), END_STREAM) for stream in streams))
    statuses = connection.statuses(len(streams), timeout_s=1.0)
    assert set(statuses.values()) == {grpc.StatusCode.UNAVAILABLE.value[0]}
    assert len(statuses) in {47, 48}  # one runs and two wait; the first waits, too, until its thread has started
    error = refused(one.recommend, REQUEST, timeout=5)
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] in PUSHBACKS_MS
    release.set()
    assert len({**statuses, **connection.statuses(len(streams) - len(statuses))}) == len(streams)


def test_the_answer_to_a_caller_who_has_left_goes_nowhere_and_the_call_is_forgotten(edge, raw):
    begun, release, seen = threading.Event(), threading.Event(), []

    def act(request, terms):
        begun.set()
        release.wait(10)
        seen.append(terms.active())
        return recommended()

    one = edge(act)
    connection = raw(one)
    connection.send(headers(1, RECOMMEND), data(1, message(REQUEST.SerializeToString()), END_STREAM))
    assert begun.wait(5)
    connection.send(reset(1))
    time.sleep(0.2)
    release.set()
    until = time.monotonic() + 5
    while time.monotonic() < until and (one.states() or not seen):
        time.sleep(0.01)
    assert (seen, len(one.states())) == ([False], 0)
    assert one.recommend(REQUEST, timeout=5).request_id == "r1"


def test_a_defect_at_the_desk_costs_one_call_and_not_the_thread_that_polls(edge, monkeypatch):
    one = edge(answer)

    def defect(call):
        raise RuntimeError("a defect")

    with monkeypatch.context() as broken:
        broken.setattr(one.plane._desk, "refusal", defect)
        assert refused(one.recommend, REQUEST, timeout=0.3).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert one.recommend(REQUEST, timeout=5).request_id == "r1"
    assert one.check() == SERVING


def test_many_checks_at_a_time_are_all_answered(edge):
    one = edge(answer)
    calls = [one.health.Check.future(health_pb2.HealthCheckRequest(), timeout=10) for _ in range(50)]
    assert {call.result().status for call in calls} == {SERVING}


def test_fifty_watches_opened_at_once_over_one_connection_are_all_let_in(edge):
    one = edge(answer)
    watches = [health_pb2_grpc.HealthStub(one.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10) for _ in range(50)]
    assert [next(watch).status for watch in watches] == [SERVING] * 50
