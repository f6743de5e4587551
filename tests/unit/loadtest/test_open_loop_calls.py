"""Kinds of calls of the open-loop generator: plain ones, batch ones, rates that change, calls that are given up, and several kinds side by side."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace

import pytest

from earshot.v1 import recommendation_service_pb2 as pb
from loadtest.open_loop.arrivals import stepped_arrivals_s
from loadtest.open_loop.planned import Planned, plan_of, read
from loadtest.open_loop.sender import exact_loop
from loadtest.open_loop.senders import run_trial, run_trials
from loadtest.open_loop.trial import CANCELED, OK, Trial
from tests.integration.server_process import environment
from tests.unit.client.small_server import refuse, serving

TRIAL = Trial("127.0.0.1:1", rate_per_s=50, duration_s=0.8, warm_up_s=0.2, deadline_s=15.0, connection_count=2)


@pytest.fixture(autouse=True)
def import_path(monkeypatch):
    """Senders are processes of their own and import what this one does."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_a_rate_changes_when_it_was_planned_to_and_the_moments_ascend():
    moments = stepped_arrivals_s(1000.0, [(0.0, 0.5), (10.0, 2.0), (20.0, 0.5)], 30.0, "1")
    counts = Counter(int(moment_s // 10) for moment_s in moments)
    assert moments == sorted(moments)
    assert [abs(counts[part] - 10_000 * factor) < 5 * (10_000 * factor) ** 0.5 for part, factor in enumerate((0.5, 2.0, 0.5))] == [True] * 3
    assert moments == stepped_arrivals_s(1000.0, [(0.0, 0.5), (10.0, 2.0), (20.0, 0.5)], 30.0, "1")


def test_plain_calls_are_first_pages_of_listed_users_encoded_ahead(tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("a\nb\nc\n")
    trial = replace(TRIAL, plain=True, priority="batch", users_file=str(users))
    plan = plan_of(trial, 0)
    requests = [pb.RecommendCreatorsRequest.FromString(planned.message) for planned in plan]
    assert {request.user.user_id for request in requests} == {"a", "b", "c"}
    assert [request.user.user_id for request in requests] == [planned.user_id for planned in plan]
    assert {(request.page_size, request.priority, request.view) for request in requests} == {(20, pb.PRIORITY_BATCH, pb.RESPONSE_VIEW_UNSPECIFIED)}
    assert plan == plan_of(trial, 0) != plan_of(trial, 1)


@pytest.mark.parametrize(("priority", "said"), [("batch", "batch"), ("interactive", None)])
def test_the_headers_say_of_batch_calls_what_the_client_half_would_say(priority, said):
    seen = set()
    with serving(lambda number, context: seen.add(dict(context.invocation_metadata()).get("earshot-priority"))) as server:
        run_trial(replace(TRIAL, target=server.target, priority=priority), None)
    assert seen == {said}


def test_a_cooperative_client_gets_its_requests_as_they_are():
    assert isinstance(plan_of(replace(TRIAL, cooperative=True), 0)[0].message, pb.RecommendCreatorsRequest)


def test_what_was_shown_to_whom_is_kept_when_it_is_asked_for():
    answer = pb.RecommendCreatorsResponse(recommendations=[pb.Recommendation(creator_id=one) for one in ("x", "y")])
    answer.degradations.add(stage=4, reason=1)
    assert read(Planned(0.0, b"", "ann"), answer.SerializeToString(), keeps_slate=True) == ("RANK DEADLINE", "ann x y")
    assert read(Planned(0.0, b"", "ann"), answer, keeps_slate=False) == ("RANK DEADLINE", "")


def test_calls_are_given_up_when_they_were_told_to_and_the_server_hears_of_it():
    def act(number, context):
        if number > TRIAL.connection_count:  # the first ones open the connections
            server.hang(context)

    with serving(act) as server:
        trial = replace(TRIAL, target=server.target, warm_up_s=0.0, rate_per_s=20, cancel_after_s=0.2)
        samples = run_trial(trial).samples
        assert set(samples.outcome) == {CANCELED}
        assert all(latency_s >= 0.19 for latency_s in samples.latency_s)
        assert all(server.canceled.acquire(timeout=10) for _ in range(samples.count))


def test_several_kinds_run_side_by_side_and_the_beginning_is_told():
    def act(number, context):
        if number > 2 * TRIAL.connection_count and number % 2:
            refuse(context)

    begun = []
    with serving(act) as server:
        trials = [replace(TRIAL, target=server.target), replace(TRIAL, target=server.target, rate_per_s=100, seed=7)]
        few, many = run_trials(trials, begin=lambda: begun.append(time.monotonic()))
    assert len(begun) == 1
    assert few.samples.count == len(plan_of(trials[0], 0))
    assert many.samples.count == len(plan_of(trials[1], 0))
    assert set(few.samples.outcome) | set(many.samples.outcome) == {OK, "UNAVAILABLE"}


def test_timers_are_not_rounded_up_to_whole_milliseconds():
    """epoll would wait a whole millisecond for a tenth of one, every time; here some of forty waits end sooner, however busy the machine is."""

    async def waits() -> list[float]:
        took = []
        for _ in range(40):
            started_s = time.perf_counter()
            await asyncio.sleep(1e-4)
            took.append(time.perf_counter() - started_s)
        return took

    with asyncio.Runner(loop_factory=exact_loop) as runner:
        assert min(runner.run(waits())) < 9e-4
