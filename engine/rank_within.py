"""The ranking stage with its rungs: all candidates, fewer, none; the ranker's scores, or similarity order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from domain.candidates import Candidates, Ranked
from domain.deadline import Deadline
from domain.errors import RequestError
from domain.request import User
from domain.slate import DegradationReason, Stage
from domain.stages import Ranker
from engine.budget import RankingCost
from engine.trace import Trace, check_row_law

OnFailure = Callable[[Stage, Exception], None]
"""Is told about failures that a rung caught; must not raise. Called on the thread of the request."""


@dataclass(frozen=True, slots=True)
class RankWithin:
    """Ranks as many candidates as the plan allows, by one objective. Thread-safe.

    ranker: the full work. fallback: similarity order, which cannot fail. cost: the ranker's, measured at warm-up, for whoever plans.
    fell_back: the ranker runs on another execution provider than the one that was there; every answer says so.
    """

    ranker: Ranker
    fallback: Ranker
    cost: RankingCost
    objective: Mapping[str, float]
    on_failure: OnFailure
    fell_back: bool = False

    def rank(self, user: User, kept: Candidates, rank_count: int, top_count: int, deadline: Deadline, trace: Trace) -> Ranked:
        """All of `kept` in order, the first `rank_count` (at most all) of them scored. Whatever was not scored is a degradation in `trace`.

        Raises RequestError only.
        """
        if rank_count < len(kept):
            trace.degrade(Stage.RANK, DegradationReason.DEADLINE, len(kept), rank_count)
        if rank_count == 0:
            return self.fallback.rank(user, kept, top_count, self.objective, deadline)
        head = kept if rank_count == len(kept) else kept.take(slice(0, rank_count))
        try:
            ranked = self.ranker.rank(user, head, top_count, self.objective, deadline)
            check_row_law(ranked, head, top_count)
        except RequestError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a ranker raises, the answer degrades and says so
            self.on_failure(Stage.RANK, failure)
            trace.degrade(Stage.RANK, DegradationReason.RANKER_FAILED, len(head), 0)
            return self.fallback.rank(user, kept, top_count, self.objective, deadline)
        if self.fell_back:
            trace.degrade(Stage.RANK, DegradationReason.FALLBACK_PROVIDER, len(head), len(head))
        finite_count = int(np.count_nonzero(np.isfinite(ranked.scores)))
        if finite_count < len(head):
            trace.degrade(Stage.RANK, DegradationReason.RANKER_NONFINITE, len(head), finite_count)
        return ranked if head is kept else _append_unranked(ranked, kept)


def _append_unranked(ranked: Ranked, kept: Candidates) -> Ranked:
    """`ranked` covers the first candidates of `kept`; the others follow without a score in the order they have: by similarity, ties by id."""
    head_count, count = len(ranked), len(kept)
    scores = np.concatenate([ranked.scores, np.full(count - head_count, np.nan, np.float32)])
    order = ranked.order
    if len(order) == head_count:
        order = np.concatenate([order, np.arange(head_count, count, dtype=np.int64)])
    return Ranked(kept, scores, order, ranked.form)
