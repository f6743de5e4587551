"""What is kept back of a time limit for the reply: something of every one, more of longer ones, never without end."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.rpc.deadline_rules import DeadlineRules

RULES = DeadlineRules(default_s=0.2, max_s=60.0, reserve_s=0.001)


@pytest.mark.parametrize(("limit_s", "kept_back_s"), [(0.006, 0.0012), (0.03, 0.002), (0.12, 0.005), (1.0, 0.01), (1e6, 0.01)])
def test_more_is_kept_back_of_longer_limits(limit_s, kept_back_s):
    assert min(limit_s, 60.0) - RULES.budget_s(limit_s) == pytest.approx(kept_back_s)


def test_without_a_limit_the_default_applies():
    assert RULES.budget_s(9.2e18) == pytest.approx(0.2 - 0.001 * (1 + 0.2 / 0.03))


@given(st.floats(0.001, 100.0), st.floats(0.001, 100.0))
def test_who_allows_more_has_no_less(one_s, other_s):
    assert RULES.budget_s(min(one_s, other_s)) <= RULES.budget_s(max(one_s, other_s))


def test_a_call_is_given_up_half_a_reserve_after_what_is_planned():
    assert RULES.grace_s == pytest.approx(0.0005)
    assert DeadlineRules(0.2, math.inf, 0.0).grace_s == 0.0


def test_no_reserve_keeps_nothing_back():
    assert DeadlineRules(0.2, math.inf, 0.0).budget_s(0.05) == 0.05
