"""A ranking in pieces: best similarity first, so that stopping after any of them leaves the best prefix ranked."""

from __future__ import annotations

import numpy as np

from domain.arrays import RowArray
from domain.candidates import Candidates, Ranked
from ranking.order import order_with_unscored


class Chunks:
    """What of one request's candidates is ranked so far. Belongs to the thread of the request.

    Scores come from the same graph with the same inputs and depend on their own row only, so those of several calls compare.
    """

    __slots__ = ("_kept", "_parts", "ranked_count")

    def __init__(self, kept: Candidates) -> None:
        self._kept = kept
        self._parts: list[Ranked] = []
        self.ranked_count = 0

    def next(self, count: int) -> Candidates:
        """The `count` most similar ones that are not ranked yet; there are so many."""
        start = self.ranked_count
        return self._kept if count == len(self._kept) else self._kept.take(slice(start, start + count))

    def add(self, part: Ranked) -> None:
        """`next` has been ranked."""
        self._parts.append(part)
        self.ranked_count += len(part)

    def joined(self, id_ranks: RowArray) -> Ranked:
        """All candidates in order, those that were not ranked without a score: the same as one call for everything, where everything is ranked.

        At least one part was added. id_ranks: of the catalogue's rows.
        """
        kept, first = self._kept, self._parts[0]
        if len(first) == len(kept):
            return first
        scores = np.full(len(kept), np.nan, np.float32)
        np.concatenate([part.scores for part in self._parts], out=scores[: self.ranked_count])
        return Ranked(kept, scores, order_with_unscored(scores, kept.similarities, id_ranks[kept.rows]), first.form)
