"""The vectorised metrics give what the slow reference gives, and keep their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.listens import Listens
from evaluation import metrics
from tests.unit.evaluation import slow_metrics

CREATOR_COUNT = 40
CASES = st.lists(
    st.tuples(
        st.lists(st.integers(0, CREATOR_COUNT - 1), unique=True, max_size=30),  # shown
        st.sets(st.integers(0, CREATOR_COUNT - 1), min_size=1, max_size=30),  # wanted
    ),
    min_size=1,
    max_size=8,
)


def arrays_of(cases):
    shown = np.full((len(cases), 30), -1, np.int64)
    for row, (ranked, _) in enumerate(cases):
        shown[row, : len(ranked)] = ranked
    return shown, wanted_of([wanted for _, wanted in cases])


def wanted_of(sets):
    pairs = [(user, creator) for user, wanted in enumerate(sets) for creator in wanted]
    users, creators = np.array(pairs, np.int64).T
    ids = tuple(map(str, range(len(sets)))), tuple(map(str, range(CREATOR_COUNT)))
    return metrics.Wanted.of(Listens(*ids, users, creators, np.ones(len(users), np.float32)), np.arange(len(sets)))


@given(CASES, st.integers(1, 30))
def test_they_are_what_the_slow_reference_gives(cases, depth):
    shown, wanted = arrays_of(cases)
    found = metrics.hits(shown, wanted)
    np.testing.assert_allclose(metrics.ndcg(found, wanted.counts, depth), [slow_metrics.ndcg(*case, depth) for case in cases])
    np.testing.assert_allclose(metrics.recall(found, wanted.counts, depth), [slow_metrics.recall(*case, depth) for case in cases])


@given(CASES, st.integers(1, 30))
def test_they_lie_between_nothing_and_one(cases, depth):
    shown, wanted = arrays_of(cases)
    found = metrics.hits(shown, wanted)
    for values in (metrics.ndcg(found, wanted.counts, depth), metrics.recall(found, wanted.counts, depth)):
        assert (values >= 0.0).all()
        assert (values <= 1.0 + 1e-12).all()


@given(CASES)
def test_a_perfect_order_gives_one_and_recall_stays_the_share_of_all(cases):
    """NDCG's ideal is min(20, held-out): with 25 held out, 20 right places are perfect, though they recall only 20 of 25."""
    shown, wanted = arrays_of([(sorted(w), w) for _, w in cases])
    found = metrics.hits(shown, wanted)
    np.testing.assert_allclose(metrics.ndcg(found, wanted.counts, 20), 1.0)
    np.testing.assert_allclose(metrics.recall(found, wanted.counts, 20), np.minimum(wanted.counts, 20) / wanted.counts)


@given(CASES, st.randoms(use_true_random=False))
def test_other_numbers_for_the_same_creators_change_nothing(cases, random):
    names = list(range(CREATOR_COUNT))
    random.shuffle(names)
    renamed = [([names[c] for c in shown], {names[c] for c in wanted}) for shown, wanted in cases]
    for one, other in zip(all_of(cases), all_of(renamed), strict=True):
        np.testing.assert_allclose(one, other)


@given(CASES, st.randoms(use_true_random=False))
def test_recall_does_not_see_the_order_and_users_do_not_see_each_other(cases, random):
    shuffled = [(random.sample(shown, len(shown)), wanted) for shown, wanted in cases]
    recalls = [metrics.recall(metrics.hits(*arrays_of(c)), arrays_of(c)[1].counts, 30) for c in (cases, shuffled)]
    np.testing.assert_allclose(*recalls)
    for one, other in zip(all_of(cases), all_of(cases[::-1]), strict=True):
        np.testing.assert_allclose(one, other[::-1])


@given(CASES, st.integers(0, 28))
def test_moving_a_hit_forward_never_lowers_ndcg(cases, place):
    shown, wanted = arrays_of(cases)
    found = metrics.hits(shown, wanted)
    better = found.copy()
    better[:, [place, place + 1]] = np.sort(found[:, [place, place + 1]], axis=1)[:, ::-1]
    assert (metrics.ndcg(better, wanted.counts, 30) >= metrics.ndcg(found, wanted.counts, 30) - 1e-12).all()


def all_of(cases):
    shown, wanted = arrays_of(cases)
    found = metrics.hits(shown, wanted)
    return metrics.ndcg(found, wanted.counts, 20), metrics.recall(found, wanted.counts, 20)


def test_by_hand():
    """Held out 3 of which places 1 and 4 hit: (1 + 1/log2 5) / (1 + 1/log2 3 + 1/log2 4)."""
    found = metrics.hits(np.array([[7, 1, 2, 9]]), wanted_of([{7, 9, 30}]))
    assert found.tolist() == [[True, False, False, True]]
    assert metrics.ndcg(found, np.array([3]), 20)[0] == pytest.approx((1 + 0.430677) / (1 + 0.630930 + 0.5), abs=1e-6)
    assert metrics.recall(found, np.array([3]), 20)[0] == pytest.approx(2 / 3)


def test_a_user_with_nothing_held_out_is_refused_by_number():
    listens = Listens(("a", "b"), ("x",), np.array([0]), np.array([0]), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="user 1 has no listen"):
        metrics.Wanted.of(listens, np.array([0, 1]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_gini_is_half_the_relative_mean_difference(amounts):
    assert metrics.gini(np.array(amounts)) == pytest.approx(slow_metrics.gini(amounts), abs=1e-12)


def test_exposure_counts_places_over_the_whole_catalogue():
    emerging = np.array([False, True, False, True])
    seen = metrics.exposure(np.array([[0, 1], [0, -1]]), emerging)
    assert (seen.coverage, seen.emerging) == (0.5, pytest.approx(1 / 3))
    assert metrics.exposure(np.array([[0, 1], [2, 3]]), emerging).gini == pytest.approx(0.0)
    assert metrics.exposure(np.full((2, 2), -1), emerging) == metrics.Exposure(0.0, 0.0, 0.0)
