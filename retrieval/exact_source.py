"""Exact retrieval: a blocked scan over the embeddings. The oracle of the index, its fallback, and the better plan for narrow filters."""

from __future__ import annotations

import math

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.deadline import Deadline
from retrieval.description import COSINE, INNER_PRODUCT
from retrieval.ordering import best_first
from retrieval.vectors import as_query

BLOCK_VALUES = 1 << 22
"""Floats per block of a contiguous scan (16 MB): about a millisecond, so that a deadline is noticed in time, and few enough blocks that Python does
not count."""

GATHERED_VALUES = 1 << 17
"""Floats per block of a gathered scan (512 KB): what was copied is still in the second-level cache when it is multiplied, and the copy takes no fresh
memory each time. With 40,000 of 200,000 rows at 64 dimensions 1.1 ms, 1.8 ms with blocks of 4 MB."""

ROUNDING = 2e-6
"""A row's product can differ in the last digits with its place in a block. Rows this close (relative to |x||q|) below the boundary stay in the
running until their similarity is computed again, row by row."""

FORBIDDEN = np.float32(-1e37)
"""Below every similarity, and finite so that zero times it is zero."""


class ExactSource:
    """A CandidateSource that looks at every row. Immutable, safe from any thread; uses no thread of its own when BLAS runs with one.

    A row's similarity is computed in a way that depends on the row and the query alone: the same on a scan of all, of some, or on its own.
    """

    def __init__(self, embeddings: FloatArray, norms: FloatArray, id_ranks: RowArray, space: str) -> None:
        """embeddings float32 [N, D] as given and norms float32 [N], both usually memory-mapped; id_ranks int64 [N]; space "cosine" or "ip"."""
        self._embeddings, self._norms, self._id_ranks = np.asarray(embeddings), np.asarray(norms), np.asarray(id_ranks)
        self._cosine = space == COSINE
        self._largest = 1.0 if self._cosine else float(self._norms.max(initial=0.0))

    def __len__(self) -> int:
        return len(self._embeddings)

    def first(self, row_count: int) -> ExactSource:
        """A source of the first so many rows, over the same memory."""
        space = COSINE if self._cosine else INNER_PRODUCT
        return ExactSource(self._embeddings[:row_count], self._norms[:row_count], self._id_ranks[:row_count], space)

    def retrieve(self, query: FloatArray, count: int, deadline: Deadline) -> Candidates:
        """The `count` most similar creators of the whole catalogue."""
        return self.scan_all(query, count, None, deadline)

    def scan_all(self, query: FloatArray, count: int, allowed: BoolArray | None, deadline: Deadline) -> Candidates:
        """The `count` most similar creators of those that are `allowed` (bool [N]; None: all), by looking at all. DeadlinePassed when it passes
        between two blocks."""
        if count <= 0:
            return Candidates.empty()
        vector = self._query(query)
        similarities = self._contiguous(vector, deadline)
        if allowed is not None:  # without branches, which would miss at every other row: 0.1 ms where a masked write takes 0.8
            penalties = allowed.view(np.uint8).astype(np.float32)
            penalties -= 1.0
            penalties *= -FORBIDDEN
            similarities += penalties
        return self._answer(vector, _best_places(similarities, count, self._slack(vector)), count)

    def scan(self, query: FloatArray, count: int, rows: RowArray, deadline: Deadline) -> Candidates:
        """The `count` most similar of `rows` (int64, ascending, no row twice), by looking at those only. DeadlinePassed as above."""
        if count <= 0 or not len(rows):
            return Candidates.empty()
        vector = self._query(query)
        places = _best_places(self._gathered(vector, rows, deadline), count, self._slack(vector))
        return self._answer(vector, rows[places], count)

    def retrieve_from(self, query: FloatArray, floor: float, deadline: Deadline) -> Candidates:
        """All creators whose similarity is at least `floor`, best first."""
        vector = self._query(query)
        near = np.flatnonzero(self._contiguous(vector, deadline) >= floor - self._slack(vector))
        found = self._answer(vector, near, len(near))
        return found.take(slice(0, int(np.count_nonzero(found.similarities >= floor))))

    def similarities_of(self, query: FloatArray, rows: RowArray) -> FloatArray:
        """The similarity of each of `rows` to a query: float32, aligned."""
        return self._products(self._query(query), rows)

    def _query(self, query: FloatArray) -> FloatArray:
        vector = as_query(query, self._embeddings.shape[1])
        norm = math.sqrt(float(vector @ vector))
        return vector / np.float32(norm) if self._cosine and norm > 0.0 else vector

    def _slack(self, vector: FloatArray) -> float:
        return ROUNDING * self._largest * math.sqrt(float(vector @ vector))

    def _products(self, vector: FloatArray, rows: RowArray) -> FloatArray:
        # einsum takes one row after the other, so that the same row gives the same bits wherever it stands; BLAS does not promise that.
        products: FloatArray = np.einsum("ij,j->i", self._embeddings[rows], vector)
        return products / self._norms[rows] if self._cosine else products

    def _answer(self, vector: FloatArray, rows: RowArray, count: int) -> Candidates:
        return Candidates.of(*best_first(rows, self._products(vector, rows), self._id_ranks, count), Source.EXACT)

    def _contiguous(self, vector: FloatArray, deadline: Deadline) -> FloatArray:
        """The similarity of every row, give or take rounding."""
        size = max(1, BLOCK_VALUES // len(vector))
        similarities = np.empty(len(self), np.float32)
        for start in range(0, len(self), size):
            deadline.check("scan the creators")
            np.matmul(self._embeddings[start : start + size], vector, out=similarities[start : start + size])
        if self._cosine:
            similarities /= self._norms
        return similarities

    def _gathered(self, vector: FloatArray, rows: RowArray, deadline: Deadline) -> FloatArray:
        """The similarity of each of `rows`, give or take rounding."""
        size = max(1, GATHERED_VALUES // len(vector))
        similarities, block = np.empty(len(rows), np.float32), np.empty((min(size, len(rows)), len(vector)), np.float32)
        for start in range(0, len(rows), size):
            deadline.check("scan the creators")
            part = rows[start : start + size]
            # mode="clip" writes to `out` straight away; the default goes through a copy. The rows are in range.
            gathered = np.take(self._embeddings, part, axis=0, out=block[: len(part)], mode="clip")
            np.matmul(gathered, vector, out=similarities[start : start + size])
        if self._cosine:
            similarities /= self._norms[rows]
        return similarities


def _best_places(similarities: FloatArray, count: int, slack: float) -> RowArray:
    """Where the best `count` stand, with all that lie less than `slack` below them; forbidden ones never."""
    surplus = len(similarities) - count
    floor = FORBIDDEN / 2 if surplus <= 0 else max(FORBIDDEN / 2, np.partition(similarities, surplus)[surplus] - np.float32(slack))
    return np.flatnonzero(similarities >= floor)
