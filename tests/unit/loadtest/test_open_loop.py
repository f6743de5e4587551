"""The open-loop generator: when it calls, from when it counts, what it counts as good, and that it tells when it was too slow itself."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from dataclasses import replace

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.client import NO_RETRIES, AsyncRecommendationClient
from loadtest.open_loop.arrivals import arrivals_s
from loadtest.open_loop.capacity import find_capacity
from loadtest.open_loop.histogram import percentiles
from loadtest.open_loop.planned import Planned
from loadtest.open_loop.point import point_of
from loadtest.open_loop.process_tree import tree_cpu_s
from loadtest.open_loop.senders import GeneratorFailed, Measured, run_trial
from loadtest.open_loop.trial import NOT_SENT, OK, REFUSED_LOCALLY, Samples, Trial, merged
from tests.integration.server_process import environment
from tests.unit.client.small_server import REQUEST, refuse, serving

TRIAL = Trial("127.0.0.1:1", rate_per_s=10, duration_s=2, warm_up_s=1, deadline_s=0.1)


@pytest.fixture(autouse=True)
def import_path(monkeypatch):
    """Senders are processes of their own and import what this one does."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])


def test_gaps_are_exponential_and_the_same_seed_plans_the_same_moments():
    """Kolmogorov and Smirnov: the distance of 20,000 gaps from the law stays below 1.95 / sqrt(n), which a true sample exceeds once in a thousand."""
    moments = arrivals_s(200.0, 100.0, "7/0")
    assert moments == arrivals_s(200.0, 100.0, "7/0") != arrivals_s(200.0, 100.0, "7/1")
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] < 100.0
    gaps = sorted(after - before for before, after in itertools.pairwise(moments))
    law = [1 - math.exp(-200.0 * gap) for gap in gaps]
    distance = max(max(abs(p - n / len(gaps)), abs(p - (n + 1) / len(gaps))) for n, p in enumerate(law))
    assert distance < 1.95 / math.sqrt(len(gaps))
    assert abs(len(moments) - 20_000) < 4 * math.sqrt(20_000)


def samples(*rows: tuple[float, float, float, str]) -> Samples:
    made = Samples()
    for row in rows:
        made.add(*row)
    return made


def test_good_is_ok_and_within_the_deadline_after_the_warm_up():
    calls = samples(
        (0.5, 0.0, 0.01, OK),  # warm-up
        (1.0, 0.0, 0.1, OK),  # at the deadline
        (1.5, 0.0, 0.1001, OK),  # late
        (2.0, 0.0, 0.02, "UNAVAILABLE OVERLOADED"),
        (2.92, 0.001, 0.03, OK),
        (2.95, 0.0, 0.0, REFUSED_LOCALLY),
    )
    calls.attempt_count = 10
    point = point_of(TRIAL, Measured(calls, None))
    assert (point.goodput_per_s, point.good_share, point.planned_per_s, point.achieved_per_s) == (1.0, 0.4, 2.5, 2.5)
    assert point.failures == {"UNAVAILABLE OVERLOADED": 1, REFUSED_LOCALLY: 1}
    assert point.attempts_per_call == 2.0
    assert point.kept_up
    assert [one.planned_count for one in point.slices] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert sum(one.good_count for one in point.slices) == 2


def test_degradations_are_counted_by_stage_and_reason():
    calls = samples((1.0, 0.0, 0.01, OK))
    calls.add(1.1, 0.0, 0.01, OK, "RANK DEADLINE,RETRIEVE OVERLOAD")
    calls.add(1.2, 0.0, 0.01, OK, "RANK DEADLINE")
    calls.add(1.3, 0.0, 0.01, OK)
    point = point_of(TRIAL, Measured(calls, 0.5))
    assert (point.degradations, point.degraded_share, point.server_cores) == ({"RANK DEADLINE": 2, "RETRIEVE OVERLOAD": 1}, 0.5, 0.5)


def test_the_parts_of_several_senders_add_up():
    first, second = samples((1.0, 0.0, 0.1, OK)), samples((1.2, 0.0, 0.2, NOT_SENT))
    first.cpu_s, second.cpu_s, first.attempt_count, second.attempt_count = 1.0, 2.0, 3, 4
    whole = merged([first, second])
    assert (whole.planned_s, whole.outcome, whole.cpu_s, whole.attempt_count) == ([1.0, 1.2], [OK, NOT_SENT], 3.0, 7)


@settings(deadline=None, max_examples=30)
@given(values_ms=st.lists(st.integers(1, 50_000), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_sorted_values_to_three_digits(values_ms):
    found = percentiles(value_ms / 1e3 for value_ms in values_ms)
    ordered = sorted(values_ms)  # the library takes the nearest rank
    for share, value_ms in ((0.5, found.p50_ms), (0.9, found.p90_ms), (0.99, found.p99_ms), (1.0, found.max_ms)):
        assert value_ms == pytest.approx(ordered[max(1, int(share * len(ordered) + 0.5)) - 1], rel=2e-3)


@settings(deadline=None)
@given(capacity=st.floats(5, 5000), first=st.floats(10, 1000))
def test_the_search_finds_the_highest_rate_that_holds_to_a_tenth(capacity, first):
    asked = []

    def holds(rate):
        asked.append(rate)
        return rate <= capacity

    found = find_capacity(holds, first, 30)
    assert found in asked
    assert capacity / 1.1001 <= found <= capacity


def test_the_search_is_bounded_and_gives_up_where_nothing_holds():
    asked = []
    assert find_capacity(lambda rate: asked.append(rate) or False, 100.0, 5) is None
    assert len(asked) == 5
    assert find_capacity(lambda rate: True, 100.0, 3) == 400.0


def test_the_cpu_of_a_process_counts_its_children():
    import os
    import subprocess
    import sys

    before_s = tree_cpu_s(os.getpid())
    burner = subprocess.Popen(
        [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"], stdin=-1, stdout=-1
    )
    burner.stdout.readline()
    assert tree_cpu_s(os.getpid()) - before_s >= 0.25
    burner.communicate(b"\n")
    assert tree_cpu_s(burner.pid) is None
    assert tree_cpu_s(None) is None


def test_a_stalled_server_shows_in_every_call_that_was_planned_during_the_stall():
    """A closed loop would have made one call in that time. Here each call waits for the end of the stall from its own planned moment (Tene)."""
    stall_s, over = 1.0, threading.Event()

    def act(number, context):
        if number == 1:
            threading.Timer(stall_s, over.set).start()
        over.wait(20)

    trial = Trial("", rate_per_s=40, duration_s=2 * stall_s, warm_up_s=0, deadline_s=15.0, connection_count=0)
    with serving(act) as server:
        point = point_of(trial, Measured(_sent(trial, server), None))
    waited = [one.latency.p50_ms for one in point.slices[:8] if one.planned_count]
    assert min(waited) > 100
    assert waited[0] > waited[-1]
    assert point.latency.max_ms >= 900
    assert point.failures == {}


def _sent(trial: Trial, server) -> Samples:
    """The trial's calls, made in this process, with no call before the first planned one."""
    from loadtest.open_loop.sender import Sender

    async def send() -> Samples:
        async with AsyncRecommendationClient(server.target, connection_count=2, policy=NO_RETRIES, throttle=None) as client:
            plan = [Planned(moment_s, REQUEST) for moment_s in arrivals_s(trial.rate_per_s, trial.duration_s, "1")]
            sender = Sender(client.recommend, trial.deadline_s)
            await sender.send(plan, time.monotonic() + 0.2)
            return sender.samples()

    return asyncio.run(send())


def test_lateness_is_reported_and_the_point_marked_when_the_generator_is_starved():
    """Something else holds the sender's thread: calls go out late, and late ones not at all."""
    from loadtest.open_loop.sender import Sender

    async def starve() -> Samples:
        async with AsyncRecommendationClient(server.target, connection_count=2, policy=NO_RETRIES, throttle=None) as client:
            await client.recommend(REQUEST, 15)
            plan = [Planned(moment_s, REQUEST) for moment_s in arrivals_s(100, 1.0, "1")]
            asyncio.get_running_loop().call_later(0.3, time.sleep, 0.5)
            sender = Sender(client.recommend, 0.1)
            await sender.send(plan, time.monotonic() + 0.1)
            return sender.samples()

    with serving(lambda number, context: None) as server:
        found = asyncio.run(starve())
    trial = replace(TRIAL, rate_per_s=100, duration_s=1, warm_up_s=0)
    point = point_of(trial, Measured(found, None))
    assert point.failures[NOT_SENT] >= 10
    assert point.lateness.max_ms >= 300
    assert not point.kept_up
    assert point.achieved_per_s < point.planned_per_s


def test_several_processes_make_every_planned_call_against_a_real_server():
    def act(number, context):
        if number % 10 == 0:
            refuse(context)

    with serving(act) as server:
        trial = Trial(server.target, rate_per_s=40, duration_s=1.0, warm_up_s=0.5, deadline_s=15.0, process_count=2, connection_count=4)
        found = run_trial(trial, server_pid=None)
    planned = sorted(moment_s for number in range(2) for moment_s in arrivals_s(20, 1.5, f"100/{number}"))
    assert sorted(found.samples.planned_s) == planned
    assert set(found.samples.outcome) == {OK, "UNAVAILABLE"}
    assert found.samples.attempt_count == len(planned)
    assert found.samples.cpu_s > 0
    assert min(found.samples.late_s) >= 0


def test_a_cooperative_trial_uses_the_clients_restraint():
    with serving(lambda number, context: refuse(context) if number > 1 else None) as server:
        trial = Trial(server.target, rate_per_s=200, duration_s=1.0, warm_up_s=0, deadline_s=15.0, connection_count=1, cooperative=True)
        calls = run_trial(trial).samples
    assert calls.outcome.count(REFUSED_LOCALLY) > calls.count / 3
    assert calls.attempt_count < calls.count


def test_a_sender_that_cannot_connect_says_why():
    with pytest.raises(GeneratorFailed, match="a sender failed"):
        run_trial(replace(TRIAL, connection_count=1))


def test_statuses_come_with_their_names():
    with serving(lambda number, context: refuse(context, grpc.StatusCode.INTERNAL) if number > 1 else None) as server:
        calls = run_trial(Trial(server.target, rate_per_s=30, duration_s=0.5, warm_up_s=0, deadline_s=15.0, connection_count=1)).samples
    assert set(calls.outcome) == {"INTERNAL"}
