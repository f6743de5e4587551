"""Admission over real sockets: what is dropped without work, who is refused and how, who goes first."""

import threading
import time

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from domain.deadline import Deadline
from earshot.client import reason_of
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server.admission.adaptive import GOOD_FOR_S
from server.rpc.options import UNTAKEN_TIMES, USUAL_PENDING_COUNT
from server.telemetry import board as slots
from server.telemetry.board import RefusalReason
from tests.integration.raw_http2 import END_STREAM, RawConnection, data, headers, message, reset
from tests.integration.server_process import wait_until
from tests.unit.server.edge import PUSHBACKS_MS, REQUEST, answer, refused
from tests.unit.server.small_world import recommended

Code = grpc.StatusCode
RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"


class Gate:
    """An engine that answers once it is let, and notes whom it worked for, and on which terms."""

    def __init__(self) -> None:
        self.open, self.worked, self.terms = threading.Event(), [], {}

    def __call__(self, request, terms):
        self.worked.append(request.request_id)
        self.terms[request.request_id] = terms
        assert self.open.wait(10)
        return recommended()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


def call(one, request_id, timeout=5.0, batch=False, **options):
    request = pb.RecommendCreatorsRequest(request_id=request_id, user=REQUEST.user, priority=pb.PRIORITY_BATCH if batch else pb.PRIORITY_UNSPECIFIED)
    return one.recommend.future(request, timeout=timeout, **options)


def hold_all_threads(one, gate, threads=2):
    """Calls that run until the gate opens; as many as may."""
    calls = [call(one, f"busy {number}") for number in range(threads)]
    wait_until(lambda: len(gate.worked) == threads, 5, "all threads are busy")
    return calls


def count(one, reason):
    return one.board.totals()[slots.REFUSALS + reason]


@pytest.fixture(params=["adaptive", "bounded", "off"])
def busy(request, edge, gate):
    """(edge, its gate, the calls that hold its threads), for every kind of admission."""
    one = edge(gate, threads=1, max_pending_requests=50, admission=request.param)
    return one, gate, hold_all_threads(one, gate, 1)


def test_a_call_that_was_canceled_while_it_waited_is_dropped(busy):
    one, gate, held = busy
    waiting = call(one, "canceled")
    wait_until(lambda: one.pool.backlog() == 1, 5, "it waits")
    waiting.cancel()
    time.sleep(0.1)
    gate.open.set()
    assert held[0].result().request_id == "busy 0"
    assert call(one, "after").result().request_id == "after"
    assert gate.worked == ["busy 0", "after"]
    assert count(one, RefusalReason.CANCELED) == 1


def test_a_call_that_expired_while_it_waited_is_dropped_whatever_its_caller_says(busy):
    """The caller sends a deadline and stays: only the server knows that it is late."""
    one, gate, _ = busy
    connection = RawConnection(one.held.port)
    try:
        connection.send(headers(1, RECOMMEND, [("grpc-timeout", "50m")]), data(1, message(REQUEST.SerializeToString()), END_STREAM))
        time.sleep(0.2)
        gate.open.set()
        assert connection.status(1) == Code.DEADLINE_EXCEEDED.value[0]
    finally:
        connection.close()
    assert gate.worked == ["busy 0"]


def test_the_wait_counts_against_the_deadline_which_is_read_once_when_the_call_comes(busy, monkeypatch):
    one, gate, _ = busy
    waiting = call(one, "waited", timeout=5.0)
    wait_until(lambda: one.pool.backlog() == 1, 5, "it waits")
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the wall clock jumps back, by decades
    time.sleep(0.3)
    gate.open.set()
    assert waiting.result().request_id == "waited"
    deadline: Deadline = gate.terms["waited"].deadline
    assert time.monotonic() + 4.0 < deadline.at_s < time.monotonic() + 5.0 - 0.25


def test_the_engine_is_told_when_the_caller_leaves(edge, gate):
    one = edge(gate)
    running = call(one, "leaves")
    wait_until(lambda: gate.worked, 5, "it runs")
    assert gate.terms["leaves"].active()
    running.cancel()
    wait_until(lambda: not gate.terms["leaves"].active(), 5, "the engine knows")


def test_who_cannot_be_answered_in_time_is_refused_at_once_with_a_pushback(edge, gate):
    one = edge(gate, costs=(0.5, 0.5), threads=1, max_pending_requests=50)
    hold_all_threads(one, gate, 1)
    error = refused(call(one, "hasty", timeout=0.4).result)
    assert (error.code(), reason_of(error)) == (Code.UNAVAILABLE, "OVERLOADED")
    assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] in PUSHBACKS_MS
    patient = call(one, "patient", timeout=5.0)
    gate.open.set()
    assert patient.result().request_id == "patient"
    assert "hasty" not in gate.worked
    assert count(one, RefusalReason.OVERLOAD) == 1


def test_interactive_calls_overtake_batch_calls_and_the_hurried_the_patient(edge, gate):
    one = edge(gate, threads=1, max_pending_requests=50, max_queue_ms=1000)
    held = hold_all_threads(one, gate, 1)
    calls = []
    for name, timeout, batch in (("batch", 5, True), ("batch too", 4, True), ("patient", 9, False), ("hurried", 3, False)):
        calls.append(call(one, name, timeout, batch))
        wait_until(lambda: one.pool.backlog() == len(calls), 5, "it waits")
    gate.open.set()
    assert all(waiting.result().request_id for waiting in [*held, *calls])
    assert gate.worked[1:] == ["hurried", "patient", "batch too", "batch"]


def test_a_batch_call_that_says_so_in_its_headers_is_refused_before_its_message(edge, gate):
    """Others wait for their message: nobody knows yet what they are."""
    one = edge(gate, costs=(0.5, 0.5), threads=1, max_pending_requests=50)
    hold_all_threads(one, gate, 1)
    assert refused(call(one, "batch", timeout=0.4, batch=True).result).code() is Code.UNAVAILABLE  # from now on headers are looked at
    connection = RawConnection(one.held.port)
    try:
        limit = ("grpc-timeout", "400m")
        connection.send(headers(1, RECOMMEND, [limit, ("earshot-priority", "batch")]), headers(3, RECOMMEND, [limit]))
        assert connection.status(1) == Code.UNAVAILABLE.value[0]
        wait_until(lambda: one.unfinished == 1, 5, "the other is taken in")
        assert count(one, RefusalReason.BATCH) == 2
        connection.send(data(3, message(REQUEST.SerializeToString()), END_STREAM))
        assert connection.status(3) == Code.UNAVAILABLE.value[0]
        assert count(one, RefusalReason.OVERLOAD) == 1
    finally:
        connection.close()


def test_the_field_holds_where_the_headers_say_otherwise(edge, gate):
    one = edge(gate, threads=1, max_pending_requests=50, max_queue_ms=1000)
    held = hold_all_threads(one, gate, 1)
    first = call(one, "batch", metadata=(("earshot-priority", "interactive"),), batch=True)
    wait_until(lambda: one.pool.backlog() == 1, 5, "it waits")
    second = call(one, "interactive", metadata=(("earshot-priority", "batch"),))
    wait_until(lambda: one.pool.backlog() == 2, 5, "it waits")
    gate.open.set()
    assert all(waiting.result().request_id for waiting in [*held, first, second])
    assert gate.worked[1:] == ["interactive", "batch"]


def test_under_load_the_engine_gets_an_allowance_and_without_load_none(edge, gate):
    one = edge(gate, costs=(0.001, 0.1), threads=1, max_pending_requests=500, max_queue_ms=10_000, brown_out_floor=0.1)
    gate.open.set()
    assert call(one, "alone").result().request_id
    assert gate.terms["alone"].allowance_s == float("inf")
    for _ in range(2):
        assert all(waiting.result().request_id for waiting in [call(one, f"{number}") for number in range(40)])
        time.sleep(2 * GOOD_FOR_S)  # rates are looked at anew then
    allowances_s = [terms.allowance_s for name, terms in gate.terms.items() if name != "alone"]
    assert min(allowances_s) < 0.1
    assert all(allowance_s >= 0.01 for allowance_s in allowances_s)  # the floor: a tenth


def quota_error(status):
    details = status_pb2.Status.FromString(dict(status.trailing_metadata())["grpc-status-details-bin"]).details
    retry = error_details_pb2.RetryInfo()
    assert details[1].Unpack(retry)
    return status.code(), reason_of(status), retry.retry_delay.ToMilliseconds(), dict(status.trailing_metadata())["grpc-retry-pushback-ms"]


def test_a_caller_above_its_quota_is_refused_with_the_time_to_come_back_and_the_others_are_not(edge):
    one = edge(answer, quotas={"team-a": 2.0}, quota_burst_s=1.0)
    ask = lambda caller: call(one, "r", metadata=(("earshot-caller", caller),))  # noqa: E731  # called many times
    assert [ask("team-a").result().request_id for _ in range(2)] == ["r", "r"]
    assert quota_error(refused(ask("team-a").result)) == (Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", 500, "500")
    assert all(ask(caller).result().request_id for caller in ["team-b"] * 20)
    assert call(one, "nameless").result().request_id
    assert count(one, RefusalReason.QUOTA) == 1


def test_a_dry_run_counts_and_refuses_nobody(edge):
    one = edge(answer, quotas={"default": 1.0}, quota_dry_run=True)
    assert all(call(one, "r").result().request_id for _ in range(5))
    assert (count(one, RefusalReason.QUOTA), count(one, RefusalReason.QUOTA_DRY_RUN)) == (0, 4)


@pytest.mark.parametrize("admission", ["adaptive", "bounded"])
def test_health_and_reflection_answer_while_calls_are_refused(edge, gate, admission):
    one = edge(gate, threads=2, max_pending_requests=2, admission=admission, quotas={"default": 100_000.0})
    calls = [call(one, f"{number}", timeout=20) for number in range(90)]  # one connection has 100 streams
    wait_until(lambda: count(one, RefusalReason.OVERLOAD) >= 80, 10, "the worker is full")
    for _ in range(20):
        assert one.check() == 1
    stub = reflection_pb2_grpc.ServerReflectionStub(one.channel)
    (listed,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
    assert len(listed.list_services_response.service) == 4
    gate.open.set()
    assert {waiting.code() for waiting in calls} == {Code.OK, Code.UNAVAILABLE}


def test_calls_that_were_reset_while_they_waited_keep_nobody_out(edge, gate):
    one = edge(gate, threads=1, max_pending_requests=20)
    hold_all_threads(one, gate, 1)
    connection = RawConnection(one.held.port)
    try:
        body = message(REQUEST.SerializeToString())
        streams = range(1, 41, 2)
        connection.send(*(headers(stream, RECOMMEND) + data(stream, body, END_STREAM) for stream in streams))
        wait_until(lambda: one.pool.backlog() == 20, 5, "the line is full")
        connection.send(*(reset(stream) for stream in streams))
        time.sleep(0.2)
        good = call(one, "good")
        time.sleep(0.1)
        gate.open.set()
        assert good.result().request_id == "good"
    finally:
        connection.close()
    assert gate.worked == ["busy 0", "good"]


def test_beyond_what_can_be_refused_grpc_itself_ends_calls_and_the_others_are_answered(edge):
    """The polling thread stands still while 380 calls come."""
    one, goes_on = edge(answer, max_pending_requests=USUAL_PENDING_COUNT, admission="off"), threading.Event()
    untaken_count = UNTAKEN_TIMES * USUAL_PENDING_COUNT
    take = one.plane.front.desk.refusal
    one.plane.front.desk.refusal = lambda call: take(call) if goes_on.wait(10) else None
    channels = [grpc.insecure_channel(one.held.address, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]) for _ in range(4)]
    try:
        calls = [RecommendationServiceStub(channel).RecommendCreators.future(REQUEST, timeout=20) for channel in channels for _ in range(95)]
        wait_until(lambda: sum(one.done() for one in calls) >= len(calls) - 2 * untaken_count - 1, 10, "so many are ended at once")
        assert {one.code() for one in calls if one.done()} == {Code.CANCELLED}
        goes_on.set()
        answered = sum(one.code() is Code.OK for one in calls)
    finally:
        goes_on.set()
        for channel in channels:
            channel.close()
    assert untaken_count <= answered <= 2 * untaken_count + 1


def test_refusals_are_counted_by_reason_and_code_and_waits_are_measured(edge, gate):
    one = edge(gate, threads=1, max_pending_requests=1, admission="bounded")
    held = hold_all_threads(one, gate, 1)
    waiting = call(one, "waits")
    wait_until(lambda: one.pool.backlog() == 1, 5, "it waits")
    assert refused(call(one, "no").result).code() is Code.UNAVAILABLE
    wait_until(lambda: one.board.totals()[slots.WAITING] == 1, 5, "the gauge shows it")
    gate.open.set()
    assert all(one.result().request_id for one in [*held, waiting])
    totals = one.board.totals()
    assert totals[slots.REFUSALS + RefusalReason.OVERLOAD] == 1
    assert sum(totals[slots.WAIT : slots.WAIT + slots.BUCKET_COUNT]) == 2
    assert totals[slots.WAIT + slots.BUCKET_COUNT] > 0.01
