"""Intervals: they hold the mean, narrow with more users, see pairs, and come out the same again."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.bootstrap import interval, intervals, loss_interval


def sample(count, seed=3):
    return np.random.default_rng(seed).normal(0.3, 0.2, count)


def test_an_interval_is_that_of_the_normal_approximation():
    values = sample(2_000)
    found, half = interval(values), 1.96 * values.std() / np.sqrt(2_000)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == (pytest.approx(values.mean() - half, abs=half / 8), pytest.approx(values.mean() + half, abs=half / 8))


def test_it_covers_the_truth_about_as_often_as_it_says():
    found = [interval(sample(150, seed), 300) for seed in range(200)]
    assert 0.88 <= np.mean([one.low <= 0.3 <= one.high for one in found]) <= 0.99


def test_the_difference_of_pairs_is_surer_than_the_pair():
    """Users differ more than methods do: a small gain for everybody is certain, though the intervals of the two methods overlap."""
    one = sample(500)
    other = one + 0.01
    apart = intervals(np.column_stack([one, other, other - one]))
    assert apart[0].high > apart[1].low
    assert (apart[2].low, apart[2].high) == (pytest.approx(0.01), pytest.approx(0.01))


def test_a_loss_is_a_share_of_the_reference():
    one = sample(500) + 1.0
    assert loss_interval(0.98 * one, one).mean == pytest.approx(0.02)
    assert loss_interval(1.05 * one, one).high < 0.0
    assert np.isnan(loss_interval(one, np.zeros(500)).mean)


def test_the_same_values_give_the_same_interval():
    assert interval(sample(100)) == interval(sample(100))
