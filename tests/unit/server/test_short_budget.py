"""How little time callers allow."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.short_budget import ShortBudget


def told(*budgets_s):
    short = ShortBudget()
    for budget_s in budgets_s:
        short.add(budget_s)
    return short.budget_s


def test_one_limit_for_all_is_it():
    assert told(*[0.02] * 100) == 0.02


def test_one_in_three_with_little_time_is_what_counts():
    rng = random.Random(3)
    assert 0.005 <= told(*[0.005 if rng.random() < 0.3 else 0.2 for _ in range(2000)]) < 0.007


def test_one_in_a_thousand_is_not():
    rng = random.Random(3)
    assert told(*[0.005 if rng.random() < 0.001 else 0.2 for _ in range(2000)]) > 0.15


def test_a_fall_is_followed_within_forty_calls_and_a_rise_within_eight_hundred():
    assert told(0.2, *[0.005] * 40) == 0.005
    assert told(0.005, *[0.2] * 800) == 0.2


@given(st.lists(st.floats(0.001, 10.0), min_size=1))
def test_it_stays_among_what_was_told(budgets_s):
    assert min(budgets_s) <= told(*budgets_s) <= max(budgets_s)


def test_before_the_first_there_is_no_limit():
    assert ShortBudget().budget_s == pytest.approx(float("inf"))
