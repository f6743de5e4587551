from __future__ import annotations

import numpy as np
import pytest

from training.features import NAMES
from training.fit_ranker import moments
from training.objective import FRESH_WEIGHTS, choose_objective, ndcg, recall, weigh
from training.ranker import HEADS
from training.slates import Slates

UNHEARD = NAMES.index("unheard")


def made_slates(seed: int = 4, count: int = 60, depth: int = 80) -> tuple[Slates, np.ndarray]:
    """Slates in which a tenth of the creators are new; new and heard ones are listened to alike, and scores know a little of it."""
    random = np.random.default_rng(seed)
    new = random.random((count, depth)) < 0.1
    listened = random.random((count, depth)) < 0.08
    listened[:, 0] = ~new[:, 0]
    features = np.zeros((count, depth, len(NAMES)), np.float32)
    features[:, :, UNHEARD] = new
    heard_count = (listened & ~new).sum(axis=1)
    users = np.arange(count)
    slates = Slates(users, np.tile(np.arange(depth), (count, 1)), features, listened, listened, new, listened.sum(axis=1), heard_count)
    scores = random.normal(size=(count, depth, len(HEADS))).astype(np.float32)
    scores[:, :, HEADS.index("listen")] += 2.0 * listened - 1.0 * new
    return slates, scores


def heard_ndcg(slates: Slates, scores: np.ndarray, fresh: float) -> float:
    objective = dict(zip(HEADS, (1.0, 0.5), strict=True)) | {"fresh": fresh}
    judged = slates.relevant_heard > 0
    return ndcg(weigh(scores, slates, objective)[judged], (slates.listened & ~slates.new)[judged], slates.relevant_heard[judged])


@pytest.mark.parametrize("price", [0.0, 0.02, 0.1])
def test_new_creators_are_lifted_as_far_as_the_price_allows_and_no_further(price: float) -> None:
    slates, scores = made_slates()
    fresh = choose_objective(scores, slates, price)["fresh"]
    best = max(heard_ndcg(slates, scores, weight) for weight in FRESH_WEIGHTS)
    assert heard_ndcg(slates, scores, fresh) >= (1.0 - price) * best - 1e-9
    assert all(heard_ndcg(slates, scores, w) < (1.0 - price) * best for w in FRESH_WEIGHTS if w > fresh + 1e-6)


def test_a_higher_price_finds_more_of_the_new_creators() -> None:
    slates, scores = made_slates()
    found = []
    for price in (0.0, 0.05, 0.3):
        ordered = weigh(scores, slates, choose_objective(scores, slates, price))
        found.append(recall(ordered, slates.listened & slates.new, slates.relevant - slates.relevant_heard, 20))
    assert found[0] < found[1] < found[2]


def test_nothing_is_lifted_where_everybody_has_listeners() -> None:
    slates, scores = made_slates()
    slates.features[:, :, UNHEARD] = 0.0
    assert choose_objective(scores, slates, 0.5)["fresh"] == 0.0


def test_what_does_not_vary_in_training_is_not_blown_up() -> None:
    features = np.random.default_rng(1).normal(3.0, 2.0, (50, 40, 3)).astype(np.float32)
    features[:, :, 1] = np.float32(0.1) + np.arange(40, dtype=np.float32) * np.float32(1e-9)
    features[:, :, 2] = 0.0
    mean, deviation = moments(features)
    assert mean[:2] == pytest.approx([3.0, 0.1], abs=0.1)
    assert deviation == pytest.approx([2.0, 1.0, 1.0], abs=0.1)


def test_ndcg_is_one_for_the_best_order_and_counts_what_was_not_retrieved() -> None:
    found = np.array([[False, True, True]])
    scores = np.array([[0.0, 2.0, 1.0]], np.float32)
    assert ndcg(scores, found, np.array([2])) == pytest.approx(1.0)
    gained, ideal = 1.0 + 1.0 / np.log2(3.0), 1.0 + 1.0 / np.log2(3.0) + 0.5
    assert ndcg(scores, found, np.array([3])) == pytest.approx(gained / ideal)


def test_recall_leaves_out_slates_that_had_nothing_to_find() -> None:
    found = np.array([[True, False], [False, False]])
    assert recall(np.array([[0.0, 1.0], [0.0, 1.0]], np.float32), found, np.array([2, 0]), 2) == pytest.approx(0.5)
