"""Token buckets by caller."""

from hypothesis import given
from hypothesis import strategies as st

from server.admission import quotas
from server.admission.quotas import Quotas


def allowed(quota, caller, *times_s):
    return sum(quota.take(caller, now_s) is None for now_s in times_s)


def test_a_burst_is_allowed_and_then_the_rate():
    quota = Quotas({"a": 10.0}, burst_s=0.5)
    assert allowed(quota, "a", *[0.0] * 20) == 5
    assert allowed(quota, "a", *[number / 100 for number in range(1, 101)]) in {9, 10}  # tokens are fractions


def test_who_is_above_is_told_the_rate():
    quota = Quotas({"default": 2.0}, burst_s=0.0)
    assert (quota.take("x", 0.0), quota.take("x", 0.1)) == (None, 2.0)


def test_each_caller_has_a_bucket_of_its_own_and_the_rate_of_the_default_unless_it_has_one():
    quota = Quotas({"default": 1.0, "big": 5.0, "none": 0.0}, burst_s=1.0)
    assert [allowed(quota, caller, *[0.0] * 10) for caller in ("x", "y", "big")] == [1, 1, 5]
    assert allowed(quota, "none", *range(100)) == 1  # a rate of 0 leaves the one call of the bucket


def test_callers_without_a_rate_are_not_limited():
    assert allowed(Quotas({"a": 1.0}, 1.0), "b", *[0.0] * 1000) == 1000


def test_the_callers_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(quotas, "MAX_CALLERS", 3)
    quota = Quotas({"default": 1.0}, 1.0)
    for number in range(100):
        quota.take(f"caller {number}", 0.0)
    assert len(quota._buckets) == 3
    assert quota.take("caller 99", 0.0) == 1.0


@given(st.floats(0.5, 100), st.floats(0, 3), st.lists(st.floats(0, 0.5), max_size=200))
def test_never_more_than_the_rate_and_one_burst(rate, burst_s, gaps):
    quota, now_s, passed = Quotas({"default": rate}, burst_s), 0.0, 0
    for gap in gaps:
        now_s += gap
        passed += quota.take("x", now_s) is None
    assert passed <= max(1.0, rate * burst_s) + rate * now_s + 1e-6


def test_a_clock_that_stands_still_gives_nothing_away():
    quota = Quotas({"default": 1.0}, 1.0)
    assert allowed(quota, "x", 5.0, 5.0, 4.0) == 1
