"""The budget curve: what a cut slate is worth, by a slow count, and how it is read between the points."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ArtifactError
from domain.slate import Slate
from engine.budget_curve import FILE_NAME, BudgetCurve, cut_ndcg, measure_curve, read_curve, steps


def by_hand(scores, similarities, ranked_count, depth):
    """The same in loops."""
    places = sorted(range(len(scores)), key=lambda i: -similarities[i])
    gains = [scores[i] - min(scores) for i in places]
    shown = sorted(gains[:ranked_count], reverse=True) + gains[ranked_count:]
    value = sum(gain / math.log2(place + 2) for place, gain in enumerate(shown[:depth]))
    best = sum(gain / math.log2(place + 2) for place, gain in enumerate(sorted(gains, reverse=True)[:depth]))
    return value / best if best else 1.0


users = st.lists(st.tuples(st.floats(-5, 5, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=60)


@given(users, st.integers(1, 25))
def test_each_point_is_what_a_slow_count_gives(pairs, depth):
    scores, similarities = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    counts = sorted({0, len(pairs) // 2, len(pairs)})
    got = cut_ndcg(scores, similarities, counts, depth)
    assert got == pytest.approx([by_hand(scores.tolist(), similarities.tolist(), n, depth) for n in counts], abs=1e-6)


@given(users)
def test_it_lies_between_0_and_1_and_the_full_work_is_1(pairs):
    scores, similarities = (np.array(column, np.float32) for column in zip(*pairs, strict=True))
    got = cut_ndcg(scores, similarities, range(len(pairs) + 1))
    assert ((got >= 0.0) & (got <= 1.0 + 1e-9)).all()
    assert got[-1] == pytest.approx(1.0)


def test_scores_that_are_not_finite_gain_nothing():
    scores, similarities = np.array([np.nan, 1.0, 2.0], np.float32), np.array([3.0, 2.0, 1.0], np.float32)
    worth_less = cut_ndcg(scores, similarities, (0, 3), depth=1)
    assert worth_less.tolist() == [0.0, 1.0]


def test_the_curve_is_the_mean_over_users_at_steps_up_to_the_full_number():
    rng = np.random.default_rng(5)
    slates = []
    for _ in range(4):
        scores, similarities = rng.random(60).astype(np.float32), rng.random(60).astype(np.float32)
        slates.append(Slate(np.arange(60), scores, similarities, np.arange(60)))
    curve = measure_curve(slates, 60)
    assert curve.counts == steps(60) == (0, 10, 20, 50, 60)
    assert curve.user_count == 4
    assert curve.ndcg == pytest.approx(np.mean([cut_ndcg(s.scores, s.similarities, curve.counts) for s in slates], axis=0))
    assert BudgetCurve.from_json(curve.to_json()).loss(20) == pytest.approx(curve.loss(20), abs=1e-6)


def test_the_loss_is_read_on_straight_lines_between_the_points():
    curve = BudgetCurve((0, 100, 200), (0.5, 0.9, 1.0), 7)
    assert [curve.loss(n) for n in (0, 50, 100, 150, 200, 900)] == pytest.approx([0.5, 0.3, 0.1, 0.05, 0.0, 0.0])


NO_CURVES = [
    {},
    {"counts": [], "ndcg": [], "user_count": 1},
    {"counts": [0, 1], "ndcg": [1.0], "user_count": 1},
    {"counts": [1, 0], "ndcg": [1, 1], "user_count": 1},
    {"counts": [0], "ndcg": [float("nan")], "user_count": 1},
]


@pytest.mark.parametrize("stored", NO_CURVES)
def test_what_is_no_curve_is_refused(stored):
    with pytest.raises((KeyError, ValueError)):
        BudgetCurve.from_json(stored)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"counts": 1}', "\xff"])
def test_a_bundle_whose_curve_cannot_be_read_is_refused_and_one_without_is_not(tmp_path, text):
    (tmp_path / FILE_NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match="build the bundle again"):
        read_curve(SimpleNamespace(path=tmp_path, manifest=SimpleNamespace(files={FILE_NAME: None})))
    assert read_curve(SimpleNamespace(path=tmp_path, manifest=SimpleNamespace(files={}))) is None
