"""What a slate is ordered by: the weights of the ranker's heads. They are inputs of the served graph, and may be changed without training anew.

A creator that nobody has played is scored by what its content promises. Trained on listens alone, a ranker is right to be careful with it, and then
no listener ever finds it. The head `fresh` is 1 for such creators and 0 for others: its weight says what finding them may cost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from training.features import NAMES
from training.ranker import HEADS
from training.slates import Slates

CUT = 20  # NDCG@20 is what the slate is judged by
FAVOURITE = 0.5
"""Of the head beside `listen`. On inner folds 0.3 to 1.0 gave the same NDCG@20, 0.0015 above 0."""

FRESH_WEIGHTS = np.arange(-4.0, 4.01, 0.05)
"""Tried, in the unit of the scores: at the ends no slate shows a creator without listeners, or nothing else."""


def choose_objective(scores: FloatArray, slates: Slates, fresh_price: float) -> Mapping[str, float]:
    """The weights of listen, favourite and fresh for scores float32 [s, n, heads] of slates that their ranker has not learned from.

    fresh gets the highest weight at which NDCG@20 of the creators that are not new stays within `fresh_price` (a share) of the best that any weight
    gives. 0 where every creator has listeners.
    """
    judged = np.flatnonzero(slates.relevant_heard > 0)
    some, unheard = slates.part(judged), slates.features[judged][:, :, NAMES.index("unheard")]
    weights = dict(zip(HEADS, (1.0, FAVOURITE), strict=True))
    if not unheard.any():
        return weights | {"fresh": 0.0}
    base = scores[judged] @ np.array(list(weights.values()), np.float32)
    heard = some.listened & ~some.new
    values = np.array([ndcg(base + weight * unheard, heard, some.relevant_heard) for weight in FRESH_WEIGHTS])
    affordable = FRESH_WEIGHTS[values >= (1.0 - fresh_price) * values.max()]
    return weights | {"fresh": round(float(affordable.max()), 2)}


def weigh(scores: FloatArray, slates: Slates, objective: Mapping[str, float]) -> FloatArray:
    """float32 [s, n]: what the slate is ordered by, of scores [s, n, heads]."""
    fresh = slates.features[:, :, NAMES.index("unheard")]
    ordered: FloatArray = scores @ np.array([objective[head] for head in HEADS], np.float32) + np.float32(objective["fresh"]) * fresh
    return ordered


def ndcg(scores: FloatArray, found: BoolArray, relevant: RowArray) -> float:
    """Mean NDCG@20 over slates in the order of these scores, [s, n]; ideal: min(20, relevant [s], all above zero)."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :CUT]
    gains = 1.0 / np.log2(np.arange(CUT) + 2.0)
    ideal = np.cumsum(gains)[np.minimum(CUT, relevant) - 1]
    shown = np.take_along_axis(found, order, axis=1)
    return float(np.mean((shown * gains[: order.shape[1]]).sum(axis=1) / ideal))


def recall(scores: FloatArray, found: BoolArray, relevant: RowArray, depth: int) -> float:
    """Mean share of what is relevant [s] that the first `depth` places show, over the slates with any; 0 without one."""
    judged = relevant > 0
    order = np.argsort(-scores[judged], axis=1, kind="stable")[:, :depth]
    shown = np.take_along_axis(found[judged], order, axis=1).sum(axis=1)
    return float(np.mean(shown / relevant[judged])) if judged.any() else 0.0
