"""The formulas behind the promises: the bound of goodput, NDCG against the full answer, and when a spike is over."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.promise.arithmetic import folded_shares, gains_of, goodput_bound, ndcg, recovery_s
from engine.budget_curve import cut_ndcg


@pytest.mark.parametrize(
    ("refusal_ms", "served_ms", "wanted"),
    [(0.031, 0.75, (0.96, 0.83, 0.61)), (0.031, 2, (0.98, 0.94, 0.86)), (0.14, 2, (0.92, 0.70, 0.32)), (0.14, 12, (0.99, 0.95, 0.89))],
)
def test_the_bound_is_that_of_the_reference_at_2_5_and_10_times_the_capacity(refusal_ms, served_ms, wanted):
    found = [goodput_bound(load, refusal_ms / 1e3, served_ms / 1e3) for load in (2, 5, 10)]
    assert found == pytest.approx(wanted, abs=0.006)


@given(load=st.floats(1.01, 50), refusal=st.floats(1e-6, 1e-2), served=st.floats(1e-5, 1e-1))
def test_at_the_bound_serving_and_refusing_take_the_whole_processor(load, refusal, served):
    assume(refusal < 0.9 * served)
    bound = goodput_bound(load, refusal, served)
    if bound > 0:
        assert bound * served + (load - bound) * refusal == pytest.approx(served, rel=1e-6)
    else:
        assert load * refusal >= served * (1 - 1e-9)


def test_below_the_capacity_everything_can_be_served_and_dear_refusals_leave_nothing():
    assert goodput_bound(0.5, 1.0, 2.0) == 0.5
    assert goodput_bound(2.0, 3.0, 2.0) == 0.0


def test_the_full_answer_has_an_ndcg_of_one_and_strangers_have_none():
    gains = gains_of({f"c{place}": 50.0 - place for place in range(40)})
    best = [f"c{place}" for place in range(20)]
    assert ndcg(best, gains) == pytest.approx(1.0)
    assert ndcg(best[::-1], gains) < 1.0
    assert ndcg(["nobody"] * 20, gains) == 0.0
    assert ndcg([], gains) == 0.0
    assert math.isnan(ndcg(best, {}))


@given(seed=st.integers(0, 10_000), count=st.integers(0, 60))
def test_the_ndcg_of_a_cut_slate_is_that_of_the_curve_which_bundles_carry(seed, count):
    draw = np.random.default_rng(seed)
    scores, similarities = draw.standard_normal(60).astype(np.float32), np.sort(draw.random(60).astype(np.float32))[::-1]
    head = sorted(range(count), key=lambda row: -scores[row])
    slate = [str(row) for row in (*head, *range(count, 60))][:20]
    mine = ndcg(slate, gains_of({str(row): float(score) for row, score in enumerate(scores)}))
    assert mine == pytest.approx(float(cut_ndcg(scores, similarities, [count])[0]), rel=1e-5)


def test_a_spike_is_over_when_no_later_bucket_is_bad():
    assert recovery_s([1.0, 0.99, 1.0], 0.1, 0.95) == 0.0
    assert recovery_s([0.2, 0.5, 1.0, 1.0], 0.1, 0.95) == pytest.approx(0.2)
    assert recovery_s([0.2, 1.0, 0.5, 1.0], 0.1, 0.95) == pytest.approx(0.3)
    assert recovery_s([0.2, math.nan, 1.0], 0.1, 0.95) == pytest.approx(0.1)
    assert recovery_s([1.0, 0.9], 0.1, 0.95) == math.inf


def test_repetitions_are_folded_into_one_cycle():
    moments = [0.05, 0.15, 0.16, 1.05, 1.15, 2.95]
    good = [True, True, False, False, True, True]
    shares = folded_shares(moments, good, period_s=1.0, bucket_s=0.1)
    assert shares[0] == pytest.approx(0.5)
    assert shares[1] == pytest.approx(2 / 3)
    assert shares[9] == 1.0
    assert all(math.isnan(share) for share in shares[2:9])
