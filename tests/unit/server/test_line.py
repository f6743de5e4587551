"""The calls that wait: who is next, and that no more run than may."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.line import OVERDUE_S, WaitingLine
from server.admission.ticket import Ticket


def ticket(deadline_s, batch=False, alive=True):
    return Ticket(0.0, deadline_s, batch, SimpleNamespace(active=lambda: alive), lambda _: None)


class Line(WaitingLine):
    """One that lets `places` run, at `now_s`."""

    def __init__(self, places=1):
        self.now_s, self.places = 0.0, places
        super().__init__(lambda: self.places, lambda: self.now_s)

    def put_all(self, *tickets):
        for one in tickets:
            self.put(one)
        return self

    def drain(self):
        while (one := self.take()) is not None:
            yield one
            self.done(one)


CALLS = st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), max_size=30)


@given(CALLS)
def test_interactive_calls_go_first_and_the_nearest_deadline_within_a_kind(calls):
    served = list(Line().put_all(*(ticket(deadline_s, batch) for deadline_s, batch in calls)).drain())
    assert [(one.batch, one.deadline_s) for one in served] == sorted((batch, deadline_s) for deadline_s, batch in calls)


def test_calls_with_the_same_deadline_go_in_the_order_in_which_they_came():
    calls = [ticket(1.0) for _ in range(5)]
    assert list(Line().put_all(*calls).drain()) == calls


@given(CALLS, st.lists(st.booleans(), max_size=80), st.integers(1, 4))
def test_no_more_run_than_may_and_nobody_is_lost(calls, steps, places):
    line, running, served = Line(places), [], 0
    waiting = [ticket(10 + deadline_s, batch) for deadline_s, batch in calls]
    for put in steps:
        if put and waiting:
            line.put(waiting.pop())
        elif running:
            line.done(running.pop(0))
        while (one := line.take()) is not None:
            running.append(one)
            served += 1
        assert len(running) == line.running <= places
        assert sum(one.batch for one in running) <= max(1, places // 2)
        assert served + len(line) + len(waiting) == len(calls)


def test_a_batch_call_runs_when_no_interactive_one_waits():
    line = Line().put_all(ticket(1.0, batch=True))
    assert line.take().batch


def test_two_short_calls_share_a_place_and_nobody_shares_one_with_a_long_call():
    line = Line().put_all(*(ticket(9.0) for _ in range(4)))
    first = line.take()
    assert line.take() is None  # nobody knows yet that it is short
    first.short = True
    second = line.take()
    assert second is not None
    second.short = True
    assert line.take() is None
    line.done(first)
    third = line.take()
    assert third is not None
    line.done(second)
    assert line.take() is None


def test_a_call_that_hangs_beyond_its_deadline_holds_no_place():
    line = Line().put_all(ticket(1.0), ticket(5.0))
    hanging = line.take()
    assert line.take() is None
    line.now_s = 1.0 + OVERDUE_S
    assert line.take() is not None
    assert line.rest_s(line.now_s) == 0.0
    line.done(hanging)


@given(CALLS, st.floats(0.01, 1), st.booleans())
def test_ahead_of_a_call_are_those_that_would_be_served_before_it(calls, deadline_s, batch):
    line = Line().put_all(*(ticket(one_s, of_batch) for one_s, of_batch in calls))
    before = [one for one in calls if (one[1], one[0]) < (batch, deadline_s)]
    assert line.ahead_of(deadline_s, batch) == len(before)


def test_those_whose_callers_have_gone_are_swept_out():
    line = Line().put_all(ticket(1.0), ticket(2.0, alive=False), ticket(3.0, batch=True, alive=False))
    line.sweep()
    assert (len(line), line.waiting(batch=True)) == (1, 0)


@pytest.mark.parametrize("batch", [False, True])
def test_a_line_stands_since_it_was_empty_last(batch):
    line = Line()
    line.now_s = 1.0
    line.put(ticket(9.0, batch))
    line.now_s = 2.0
    line.put(ticket(9.0, batch))
    assert line.standing_s(3.0, batch) == 2.0
    assert line.standing_s(3.0, not batch) == 0.0
    list(line.drain())
    assert line.standing_s(3.0, batch) == 0.0


def test_the_rest_of_those_that_run_is_what_was_expected_of_them():
    line = Line(2).put_all(ticket(9.0), ticket(9.0))
    for end_s in (1.5, 1.0):
        line.take().expected_end_s = end_s
    assert line.rest_s(0.5) == 1.5
    assert line.rest_s(1.2) == pytest.approx(0.3)
