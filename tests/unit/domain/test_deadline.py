"""Deadline algebra: the remainder never grows, order is kept, reserves only move a deadline earlier."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.deadline import Deadline
from domain.errors import DeadlinePassed

seconds = st.floats(min_value=-1e6, max_value=1e6)
steps = st.lists(st.floats(min_value=0, max_value=1e3), max_size=20)


class SteppedClock:
    """A clock that a test moves forward."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@given(seconds, steps)
def test_the_remainder_never_grows_while_the_clock_runs_forward(budget_s, durations_s):
    clock = SteppedClock()
    deadline = Deadline.after(budget_s, clock)
    remainders_s = [deadline.remaining_s()]
    for duration_s in durations_s:
        clock.now_s += duration_s
        remainders_s.append(deadline.remaining_s())
    assert remainders_s == sorted(remainders_s, reverse=True)


@given(seconds, seconds, st.floats(min_value=0, max_value=1e6))
def test_an_earlier_deadline_never_has_more_left_than_a_later_one(a_s, b_s, passed_s):
    clock = SteppedClock()
    earlier, later = Deadline.after(min(a_s, b_s), clock), Deadline.after(max(a_s, b_s), clock)
    clock.now_s += passed_s
    assert earlier.remaining_s() <= later.remaining_s()


@given(seconds, seconds)
def test_a_reserve_only_moves_a_deadline_earlier(budget_s, reserve_s):
    deadline = Deadline.after(budget_s, SteppedClock())
    assert deadline.before(reserve_s).remaining_s() <= deadline.remaining_s()


@given(seconds, st.floats(min_value=0, max_value=1e3), st.floats(min_value=0, max_value=1e3))
def test_reserves_add_up(budget_s, first_s, second_s):
    deadline = Deadline.after(budget_s, SteppedClock())
    assert deadline.before(first_s).before(second_s).remaining_s() == pytest.approx(deadline.before(first_s + second_s).remaining_s(), abs=1e-6)


def test_a_deadline_that_never_passes_has_infinite_time_left():
    assert Deadline.never(SteppedClock()).remaining_s() == math.inf


def test_check_names_what_was_not_done_once_the_time_is_over():
    clock = SteppedClock()
    deadline = Deadline.after(1.0, clock)
    deadline.check("rank")
    clock.now_s = 1.0
    with pytest.raises(DeadlinePassed, match="before the server could rank"):
        deadline.check("rank")
