"""Contestants that plan otherwise: a fixed count, and a factor that follows what became of the last calls."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.promise.plans import OPTIONS, CountingPlanner, ObservedEngine
from domain.deadline import Deadline
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.load import Load
from evaluation.quality_factor import QualityFactor


@given(count=st.integers(0, 1000), wanted=st.integers(20, 500), kept=st.integers(0, 500), seconds=st.floats(-1, 1))
def test_a_fixed_count_is_ranked_whatever_the_time_left(count, wanted, kept, seconds):
    planner = CountingPlanner(CostModel(), Load(), count=lambda: count)
    terms = Terms(Deadline.after(seconds, time.monotonic))
    plan = planner.again(planner.begin(wanted, 20, False, terms), kept, False, terms)
    assert plan.retrieve_count == wanted
    assert planner.next_chunk(plan, 0, kept, terms.deadline) == min(count, wanted, kept)
    assert planner.next_chunk(plan, 1, kept, terms.deadline) == 0


class ToldEngine(ObservedEngine):
    """Answers after its deadline, or before."""

    def __init__(self) -> None:
        pass


def test_the_factor_moves_with_the_deadlines_that_were_kept(monkeypatch):
    monkeypatch.setattr(ObservedEngine, "factor", QualityFactor(OPTIONS))
    monkeypatch.setattr("bench.promise.plans.recommend_as_engine", lambda *_: "the answer")
    late, early = (Terms(Deadline.after(seconds, time.monotonic)) for seconds in (-1.0, 60.0))
    assert ToldEngine().recommend(None, late) == "the answer"
    assert ObservedEngine.factor.value == pytest.approx(1 - 99 * OPTIONS.delta)
    ToldEngine().recommend(None, early)
    assert ObservedEngine.factor.value == pytest.approx(1 - 98 * OPTIONS.delta)
