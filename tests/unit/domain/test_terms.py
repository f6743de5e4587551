"""The terms of a request: no work for a caller whose time is up, or who has gone."""

import math

import pytest

from domain.deadline import Deadline
from domain.errors import Canceled, DeadlinePassed
from domain.terms import Terms


def clock():
    return 0.0


def test_terms_of_work_nobody_waits_for_never_refuse():
    terms = Terms.unhurried(clock)
    terms.check("start")
    assert terms.allowance_s == math.inf


def test_a_passed_deadline_is_refused_with_what_would_have_been_done():
    with pytest.raises(DeadlinePassed, match="could rank"):
        Terms(Deadline(0.0, clock)).check("rank")


def test_nothing_is_given_up_before_the_grace_is_over():
    Terms(Deadline(0.0, clock, grace_s=0.001)).check("rank")
    with pytest.raises(DeadlinePassed, match="could rank"):
        Terms(Deadline(-0.001, clock, grace_s=0.001)).check("rank")


def test_a_caller_that_has_gone_is_canceled_with_what_would_have_been_done():
    with pytest.raises(Canceled, match="could rank"):
        Terms(Deadline(1.0, clock), active=lambda: False).check("rank")
