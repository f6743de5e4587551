"""The bounds on what one call may use."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.brown_out import CONFIDENCE, LEAST_USE, MOST_USE, line_share_s, newcomers_room_s, rate_share_s, use

SECONDS = st.floats(0.0005, 0.5)


@given(st.integers(1, 8), st.floats(1, 10_000), st.floats(0, 0.001), SECONDS)
def test_calls_that_use_their_share_use_the_processor_as_far_as_planned(cores, per_s, edge_s, budget_s):
    assert per_s * (rate_share_s(cores, per_s, edge_s, budget_s) + edge_s) == pytest.approx(use(cores, per_s, budget_s) * cores)


@given(st.integers(1, 8), st.floats(0, 10_000), SECONDS, SECONDS)
def test_callers_that_allow_more_time_let_the_processor_be_used_more(cores, per_s, one_s, other_s):
    assert LEAST_USE <= use(cores, per_s, min(one_s, other_s)) <= use(cores, per_s, max(one_s, other_s)) <= MOST_USE


@pytest.mark.parametrize(("per_s", "budget_s"), [(200, 0.05), (400, 0.02), (800, 0.02), (800, 0.015)])
def test_a_processor_that_is_used_so_far_answers_nearly_all_in_time(per_s, budget_s):
    """One server, first come first served, random arrivals, all calls as long as their share."""
    rng, each_s, now_s, free_s, late, calls = random.Random(3), use(1, per_s, budget_s) / per_s, 0.0, 0.0, 0, 200_000
    for _ in range(calls):
        now_s += rng.expovariate(per_s)
        free_s = max(now_s, free_s) + each_s
        late += free_s > now_s + budget_s
    assert late <= 0.005 * calls


def test_without_arrivals_there_is_no_bound():
    assert rate_share_s(1, 0.0, 0.001, 0.1) == newcomers_room_s(0.02, 0.0, 0.001) == math.inf


@given(st.lists(SECONDS, min_size=1, max_size=20), st.floats(0, 0.0005))
def test_with_even_shares_all_that_wait_meet_their_deadlines_one_after_the_other(deadlines_s, edge_s):
    deadlines_s = sorted(deadlines_s)
    share_s = line_share_s(0.0, deadlines_s, 1, edge_s)
    ends_s = [place * (share_s + edge_s) for place in range(2, len(deadlines_s) + 2)]
    assert all(end_s <= deadline_s * (1 + 1e-9) for end_s, deadline_s in zip(ends_s, deadlines_s, strict=True))
    assert any(end_s == pytest.approx(deadline_s) for end_s, deadline_s in zip(ends_s, deadlines_s, strict=True))  # and no time is left over


@pytest.mark.parametrize(("budget_s", "per_s", "least_s"), [(0.01, 50, 0.001), (0.02, 300, 0.001), (0.005, 400, 0.0006), (0.1, 30, 0.004)])
def test_who_comes_while_a_call_runs_is_almost_never_too_late(budget_s, per_s, least_s):
    """The call starts at 0 and takes all its room; newcomers are answered one after the other, the least answer each."""
    rng, room_s, late, runs = random.Random(5), newcomers_room_s(budget_s, per_s, least_s), 0, 20_000
    assert room_s > 0
    for _ in range(runs):
        now_s, free_s = rng.expovariate(per_s), room_s
        too_late = False
        while now_s < room_s:
            free_s += least_s
            too_late = too_late or free_s > now_s + budget_s
            now_s += rng.expovariate(per_s)
        late += too_late
    assert late / runs < 4 * (1 - CONFIDENCE)  # the bound holds for each newcomer by itself


@given(SECONDS, st.floats(0.1, 500), st.floats(0.0001, 0.002))
def test_room_shrinks_with_load_and_with_what_newcomers_need(budget_s, per_s, least_s):
    room_s = newcomers_room_s(budget_s, per_s, least_s)
    assert newcomers_room_s(budget_s, per_s * 1.1, least_s) <= room_s
    assert newcomers_room_s(budget_s, per_s, least_s * 1.1) <= room_s
    assert newcomers_room_s(budget_s * 1.1, per_s, least_s) >= room_s
