"""Near ties: a form that makes sums in another order must not show other creators for that, nor in another order.

Float32 rounds such sums otherwise, in the seventh digit. Where two of a page are that near, the whole form is asked who of them is first. That
concerns few requests, and few of their rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates
from domain.request import User

SAFETY = 4.0  # two scores are off, in opposite directions, each twice as far as any of the proof's pairs
MOST_ROWS = 64  # more that are all alike are no near ties, but a model that has said its last word: their ids decide
LEAST_ROWS = 8  # a matrix kernel for fewer rows may sum in an order of its own

ScoreWhole = Callable[[User, Candidates, Mapping[str, float]], FloatArray]
"""(who asks, which candidates, the weights of heads) -> scores of the whole form, float32 [n]."""


@dataclass(frozen=True, slots=True)
class Settler:
    """Puts the whole form's scores where rounding decides. Thread-safe.

    within: scores of the default objective that are no further apart may be in the wrong order. objective: its weights, by head.
    """

    score: ScoreWhole
    within: float
    objective: Mapping[str, float]

    def within_of(self, objective: Mapping[str, float]) -> float:
        """`within` for the weights of a profile, empty for the default ones: as many times as far as the head whose weight grew most."""
        return self.within * max((abs(weight) / (abs(self.objective[head]) or 1.0) for head, weight in objective.items()), default=1.0)

    def settle(self, scores: FloatArray, user: User, candidates: Candidates, top_count: int, objective: Mapping[str, float]) -> FloatArray:
        """The scores of `candidates`, those of near ties among the best `top_count` replaced; NaN: none, and stays so. Raises as the ranker does."""
        rows = near_ties(scores, top_count, self.within_of(objective))
        if not 0 < len(rows) <= MOST_ROWS:
            return scores
        asked = np.resize(rows, max(len(rows), LEAST_ROWS))
        settled = scores.copy()
        settled[rows] = self.score(user, candidates.take(asked), objective)[: len(rows)]
        return settled


def near_ties(scores: FloatArray, top_count: int, within: float) -> RowArray:
    """Positions of scores among the best `top_count` that have a neighbour no further than `within`, and of all neighbours of those: int64 [k]."""
    order = np.argsort(-scores, kind="stable")  # NaN comes last, and is near nobody
    near = -np.diff(scores[order]) <= within
    far = np.flatnonzero(~near[top_count - 1 :])
    stop = top_count + int(far[0]) if len(far) else len(order)
    tied = np.zeros(len(order), bool)
    tied[:-1] |= near
    tied[1:] |= near
    return order[:stop][tied[:stop]]


def within_of_differences(max_absolute: float) -> float:
    """How near is too near, by the largest difference that a proof saw. A power of two: last digits of a difference are those of one processor."""
    return 2.0 ** math.ceil(math.log2(SAFETY * max_absolute)) if max_absolute > 0.0 else 0.0
