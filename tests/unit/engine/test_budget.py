"""The ranking cost: what fits into the time left, and how it is measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.budget import RankingCost, measure_cost

costs = st.builds(RankingCost, st.floats(0, 1), st.floats(0, 0.1))


@given(costs, st.floats(-1, 10), st.integers(0, 5000))
def test_what_is_affordable_fits_into_the_time_left(cost, remaining_s, count):
    affordable = cost.affordable(remaining_s, count)
    assert 0 <= affordable <= count
    if affordable:
        assert cost.of(affordable) <= max(remaining_s, 0) * (1 + 1e-9)


@given(costs, st.floats(-1, 10), st.floats(0, 10), st.integers(0, 5000))
def test_more_time_never_affords_fewer_candidates(cost, remaining_s, more_s, count):
    assert cost.affordable(remaining_s, count) <= cost.affordable(remaining_s + more_s, count)


def test_nothing_is_affordable_when_not_even_the_fixed_part_fits():
    assert RankingCost(0.010, 0.001).affordable(0.009, 100) == 0


def test_some_candidates_are_affordable_between_none_and_all():
    assert RankingCost(0.010, 0.001).affordable(0.0605, 100) == 50


def test_measuring_finds_the_line_through_both_medians():
    clock_s = 0.0

    def clock():
        return clock_s

    def rank(count):
        nonlocal clock_s
        clock_s += 0.002 + 0.0001 * count

    cost = measure_cost(rank, 10, 200, clock)
    assert cost.fixed_s == pytest.approx(0.002)
    assert cost.per_candidate_s == pytest.approx(0.0001)


def test_a_catalogue_of_one_is_measured_too():
    cost = measure_cost(lambda _: None, 1, 1, lambda: 0.0)
    assert cost == RankingCost(0.0, 0.0)
