"""The baseline of the planner: the percentile that it is told settles at the target, and its answers stay within bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.quality_factor import QualityFactor, QualityFactorOptions


def test_fast_requests_raise_it_by_delta_and_a_slow_one_lowers_it_by_99_of_them():
    factor = QualityFactor(QualityFactorOptions(0.1, percentile=99.0, delta=0.001))
    factor.observe(0.2)
    assert factor.value == pytest.approx(1.0 - 0.099)
    for _ in range(99):
        factor.observe(0.1)
    assert factor.value == pytest.approx(1.0)


@pytest.mark.parametrize("percentile", [90.0, 99.0])
def test_the_percentile_of_the_latency_settles_at_the_target(percentile):
    factor, rng = QualityFactor(QualityFactorOptions(0.010, percentile, delta=0.0005)), random.Random(3)
    late = []
    for _ in range(60_000):
        latency_s = 0.0001 * factor.count(200) * rng.lognormvariate(0.0, 0.1)
        late.append(latency_s > 0.010)
        factor.observe(latency_s)
    settled = late[20_000:]
    assert sum(settled) / len(settled) == pytest.approx(1.0 - percentile / 100.0, rel=0.2)


@given(st.lists(st.floats(0, 1), max_size=50), st.integers(0, 500), st.integers(0, 500), st.floats(0, 0.5))
def test_counts_stay_within_what_is_wanted_and_what_is_least(latencies, wanted, least, bound):
    factor = QualityFactor(QualityFactorOptions(0.5, delta=0.1, least=bound))
    for latency_s in latencies:
        factor.observe(latency_s)
    assert bound <= factor.value <= 1.0
    assert min(least, wanted) <= factor.count(wanted, least) <= wanted


def test_nothing_is_learned_before_the_delay_is_over():
    factor = QualityFactor(QualityFactorOptions(0.1, delay_s=5.0), started_s=100.0)
    factor.observe(9.0, now_s=104.9)
    assert factor.value == 1.0
    factor.observe(9.0, now_s=105.0)
    assert factor.value < 1.0


@pytest.mark.parametrize("wrong", [{"percentile": 0.99}, {"percentile": 100.0}, {"delta": 0.0}, {"least": 0.6, "most": 0.5}, {"most": 1.5}])
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        QualityFactorOptions(0.1, **wrong)
