"""How numbers are summed up for a report."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bundle.distribution import BIN_COUNT, distribution, sampled_places


@example([1.0, np.finfo(np.float64).max])
@example([np.finfo(np.float64).max, np.finfo(np.float64).min])
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5).map(float), max_size=50))
def test_every_finite_number_is_in_exactly_one_bar(numbers):
    values = np.array(numbers, np.float64)
    finite = values[np.isfinite(values)]
    found = distribution(values)
    if found is None:
        assert not len(finite)
        return
    assert (found.count, sum(found.counts), len(found.edges)) == (len(finite), len(finite), len(found.counts) + 1)
    assert (found.least, found.most) == (finite.min(), finite.max())
    assert np.all(np.diff(found.edges) > 0)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint64, np.float32, np.bool_])
@pytest.mark.parametrize("numbers", [[0], [1, 1, 1], [0, 1], [100, 3, 7]])
def test_any_dtype_that_a_bundle_stores(dtype, numbers):
    values = np.array(numbers).astype(dtype)
    found = distribution(values)
    assert sum(found.counts) == len(numbers)
    assert found.most == float(values.max())


def test_small_whole_numbers_get_a_bar_each():
    found = distribution(np.array([2, 2, 3, 5], np.int32))
    assert found.counts == (2, 1, 0, 1)
    assert found.edges == (1.5, 2.5, 3.5, 4.5, 5.5)


@pytest.mark.parametrize("least", [0, 1])
def test_a_heavy_tail_is_shown_on_a_logarithmic_scale(least):
    found = distribution(np.array([least, *range(1, 100), 10**7]))
    assert found.logarithmic
    assert sum(count > 0 for count in found.counts) > 5
    assert len(found.counts) == BIN_COUNT


def test_quantiles_and_mean_are_those_of_the_values():
    found = distribution(np.arange(101, dtype=np.float32))
    assert found.quantiles == (5, 25, 50, 75, 95)
    assert round(found.mean, 9) == 50


@given(st.integers(0, 5000), st.integers(1, 1000))
def test_sampled_places_are_ascending_different_and_spread_over_everything(count, wanted):
    places = sampled_places(count, wanted)
    assert len(places) == min(count, wanted)
    assert np.all(np.diff(places) > 0)
    if count > wanted:
        parts = np.floor(places * (wanted / count) + 1e-9)
        assert np.all(np.abs(parts - np.arange(wanted)) <= 1)
        assert places[-1] < count
