"""The overlay: creators that are scanned exactly, on top of the index, so that no approximation ever loses one of them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.columns import Creators
from domain.deadline import Deadline
from retrieval.exact_source import ExactSource


class OverlaySource:
    """A CandidateSource over some creators alone: a contiguous copy of their embeddings. Immutable, safe from any thread and to share after a fork.

    What it finds has the same similarity, bit for bit, that the exact scan of the catalogue gives it. To change its creators, make another one and
    put it in the place of this one.
    """

    def __init__(self, creators: Creators, rows: RowArray, space: str) -> None:
        """rows: int64 [E], ascending, no row twice; they are copied out of `creators`: 4 x (dimensions + 3) bytes each."""
        self._rows = np.array(rows, np.int64)
        self._scan = ExactSource(np.array(creators.embeddings[rows]), np.array(creators.norms[rows]), creators.id_ranks[rows], space)

    def __len__(self) -> int:
        return len(self._rows)

    def retrieve(self, query: FloatArray, count: int, deadline: Deadline) -> Candidates:
        """The `count` most similar creators of the overlay."""
        return self._named(self._scan.retrieve(query, count, deadline))

    def retrieve_from(self, query: FloatArray, floor: float, deadline: Deadline) -> Candidates:
        """All creators of the overlay whose similarity is at least `floor`, best first."""
        return self._named(self._scan.retrieve_from(query, floor, deadline))

    def _named(self, found: Candidates) -> Candidates:
        return Candidates.of(self._rows[found.rows], found.similarities, Source.OVERLAY)


def emerging_overlay(creators: Creators, emerging_tiers: Collection[str], space: str) -> OverlaySource | None:
    """The overlay of the creators of these tiers; None when there are none. Without a tier column every creator has the tier ""."""
    if creators.tiers is None:
        rows = np.arange(len(creators) if "" in emerging_tiers else 0)
    else:
        codes = [code for code, name in enumerate(creators.tier_names) if name in emerging_tiers]
        rows = np.flatnonzero(np.isin(creators.tiers, codes))
    return OverlaySource(creators, rows, space) if len(rows) else None
