"""Contestants that plan otherwise: a fixed count, and a factor that follows what became of the last calls."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.promise.plans import LEAST_FACTOR, STEP, CountingPlanner, QualityFactor
from domain.deadline import Deadline
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.load import Load


@given(count=st.integers(0, 1000), wanted=st.integers(20, 500), kept=st.integers(0, 500), seconds=st.floats(-1, 1))
def test_a_fixed_count_is_ranked_whatever_the_time_left(count, wanted, kept, seconds):
    planner = CountingPlanner(CostModel(), Load(), lambda: count)
    terms = Terms(Deadline.after(seconds, time.monotonic))
    plan = planner.again(planner.begin(wanted, 20, False, terms), kept, False, terms)
    assert plan.retrieve_count == wanted
    assert planner.next_chunk(plan, 0, kept, terms.deadline) == min(count, wanted, kept)
    assert planner.next_chunk(plan, 1, kept, terms.deadline) == 0


def test_the_factor_rests_where_its_percentile_is_kept():
    factor = QualityFactor()
    factor.observe(in_time=False)
    assert factor.value == pytest.approx(1 - 99 * STEP)
    for _ in range(99):
        factor.observe(in_time=True)
    assert factor.value == pytest.approx(1.0)
    factor.observe(in_time=True)
    assert factor.value == 1.0
    for _ in range(100):
        factor.observe(in_time=False)
    assert factor.value == LEAST_FACTOR
