"""Similarity order: what is left when the ranker fails or there is no time for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from domain.candidates import Candidates, Ranked
from domain.columns import Creators, InputSchema
from domain.deadline import Deadline
from domain.request import User
from ranking.order import order_with_unscored


class SimilarityRanker:
    """A `domain.stages.Ranker` that scores nothing: every score is NaN, the order is by similarity, ties by creator id. Cannot fail."""

    def __init__(self, creators: Creators) -> None:
        self._id_ranks = np.asarray(creators.id_ranks)

    @property
    def schema(self) -> InputSchema:
        """It reads nothing."""
        return InputSchema({}, {}, {})

    def rank(
        self,
        user: User,  # noqa: ARG002 - the Protocol's; similarity is all that counts here
        candidates: Candidates,
        top_count: int,  # noqa: ARG002 - the whole order costs microseconds
        objective: Mapping[str, float],  # noqa: ARG002 - as for user
        deadline: Deadline,  # noqa: ARG002 - it is the rung that is taken when time is short
    ) -> Ranked:
        """As in `domain.stages.Ranker`."""
        scores = np.full(len(candidates), np.nan, np.float32)
        return Ranked(candidates, scores, order_with_unscored(scores, candidates.similarities, self._id_ranks[candidates.rows]), "none")
