"""How deep the nearest creators must be looked through to find enough that may be shown, estimated from a sample of the catalogue.

The share of the catalogue that may be shown says it only where that is independent of taste. Markets and tiers seldom are: a language, a genre, a
scene lie together, and for some listeners nearly all of their nearest creators are the forbidden ones.
"""

from __future__ import annotations

import math

import numpy as np

from domain.arrays import FloatArray
from domain.columns import Creators
from domain.stages import Restriction
from retrieval.description import COSINE

SAMPLE_SIZE = 8192
"""2 MB at 64 dimensions, looked through in 0.2 ms from memory. With 200,000 creators, 500 candidates are some twenty of these; with half as many the
estimates were so uncertain that wrong plans cost more than was saved."""

SEED = 4
"""Any fixed number: the same request must be planned alike everywhere."""

DEPTH = 2.0
"""The share is taken among so many times the creators that would do if it were the same everywhere."""

LEAST_DEPTH = 32
"""Fewer say nothing about a share."""

PRIOR = 8.0
"""So many creators' weight is given to the overall share: what 32 say by chance must not send a request the long way."""

OVERFETCH = 1.25
"""Room for chance: 500 of 200,000 are estimated with a standard error of about one eighth."""

TAIL = 0.5
"""So much more room where the nearest are forbidden: what an index loses, it loses among the last of what it is asked for, and there the last are the
ones that count."""


class Sample:
    """A seeded sample of the catalogue with its vectors, contiguous. Immutable, safe from any thread and to share after a fork."""

    def __init__(self, creators: Creators, space: str) -> None:
        """Copies at most SAMPLE_SIZE embeddings."""
        self._creator_count = len(creators)
        random = np.random.default_rng(SEED)
        self._rows = np.sort(random.choice(self._creator_count, min(SAMPLE_SIZE, self._creator_count), replace=False)).astype(np.int64)
        vectors: FloatArray = np.array(creators.embeddings[self._rows], np.float32)
        self._vectors = vectors / creators.norms[self._rows][:, None] if space == COSINE else vectors

    def reach(self, query: FloatArray, count: int, restriction: Restriction) -> int:
        """About how many of the creators nearest to `query` (float32 [D]) hold `count` that `restriction` allows; at most all."""
        share = restriction.allowed_count() / self._creator_count
        if share <= 0.0:
            return self._creator_count
        size = len(self._rows)
        depth = min(size, max(LEAST_DEPTH, math.ceil(DEPTH * count / share * size / self._creator_count)))
        nearest = np.argpartition(self._vectors @ query, size - depth)[size - depth :]
        hits = np.count_nonzero(restriction.allows(self._rows[nearest]))
        near_share = (hits + PRIOR * share) / (depth + PRIOR)
        room = OVERFETCH + TAIL * max(0.0, 1.0 - near_share / share)
        return min(self._creator_count, math.ceil(room * count / near_share))
