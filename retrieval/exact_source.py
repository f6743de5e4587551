"""Exact retrieval: a blocked scan over the embeddings. The oracle of the index, its fallback, and the better plan for narrow filters."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.deadline import Deadline
from retrieval.cost import GATHER_COST
from retrieval.description import COSINE
from retrieval.ordering import best_first
from retrieval.vectors import as_query

BLOCK_VALUES = 1 << 22
"""Floats per block (16 MB): about a millisecond, so that a deadline is noticed in time, and few enough blocks that Python does not count."""

ROUNDING = 2e-6
"""A row's product can differ in the last digits with its place in a block. Rows this close (relative to |x||q|) below the boundary stay in the
running until their similarity is computed again, row by row."""


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

    def retrieve(self, query: FloatArray, count: int, deadline: Deadline) -> Candidates:
        """The `count` most similar creators of the whole catalogue."""
        return self.scan(query, count, None, deadline)

    def scan(self, query: FloatArray, count: int, rows: RowArray | None, deadline: Deadline) -> Candidates:
        """The `count` most similar of `rows` (int64, ascending, no row twice; None: all). DeadlinePassed when it passes between two blocks."""
        if count <= 0 or (rows is not None and not len(rows)):
            return Candidates.empty()
        vector = self._scaled(as_query(query, self._embeddings.shape[1]))
        pool = _Pool(count, ROUNDING * self._largest * math.sqrt(float(vector @ vector)))
        for block_rows, similarities in self._blocks(vector, rows):
            deadline.check("scan the creators")
            pool.add(block_rows, similarities)
        found = pool.rows()
        return Candidates.of(*best_first(found, self._products(vector, found), self._id_ranks, count), Source.EXACT)

    def similarities_of(self, query: FloatArray, rows: RowArray) -> FloatArray:
        """The similarity of each of `rows` to a query: float32, aligned."""
        return self._products(self._scaled(as_query(query, self._embeddings.shape[1])), rows)

    def _scaled(self, vector: FloatArray) -> FloatArray:
        norm = math.sqrt(float(vector @ vector))
        return vector / np.float32(norm) if self._cosine and norm > 0.0 else vector

    def _products(self, vector: FloatArray, rows: RowArray) -> FloatArray:
        # einsum takes one row after the other, so that the same row gives the same bits wherever it stands; BLAS does not promise that.
        products: FloatArray = np.einsum("ij,j->i", self._embeddings[rows], vector)
        return products / self._norms[rows] if self._cosine else products

    def _blocks(self, vector: FloatArray, rows: RowArray | None) -> Iterator[tuple[RowArray, FloatArray]]:
        if rows is not None and len(rows) * GATHER_COST < len(self):
            return self._gathered(vector, rows)
        return self._contiguous(vector, rows)

    def _contiguous(self, vector: FloatArray, rows: RowArray | None) -> Iterator[tuple[RowArray, FloatArray]]:
        size = max(1, BLOCK_VALUES // len(vector))
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            similarities = self._embeddings[start:stop] @ vector
            if self._cosine:
                similarities /= self._norms[start:stop]
            if rows is None:
                yield np.arange(start, stop), similarities
            else:
                low, high = np.searchsorted(rows, (start, stop))
                yield rows[low:high], similarities[rows[low:high] - start]

    def _gathered(self, vector: FloatArray, rows: RowArray) -> Iterator[tuple[RowArray, FloatArray]]:
        size = max(1, BLOCK_VALUES // len(vector) // GATHER_COST)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            similarities = self._embeddings[part] @ vector
            yield part, similarities / self._norms[part] if self._cosine else similarities


class _Pool:
    """The rows that can still be among the best `count`, give or take `slack`."""

    def __init__(self, count: int, slack: float) -> None:
        self._count, self._slack = count, np.float32(slack)
        self._rows, self._similarities = np.empty(0, np.int64), np.empty(0, np.float32)
        self._floor = np.float32(-np.inf)

    def add(self, rows: RowArray, similarities: FloatArray) -> None:
        hits = np.flatnonzero(similarities >= self._floor)
        if not len(hits):
            return
        self._rows = np.concatenate((self._rows, rows[hits]))
        self._similarities = np.concatenate((self._similarities, similarities[hits]))
        surplus = len(self._rows) - self._count
        if surplus > 0:
            self._floor = np.partition(self._similarities, surplus)[surplus] - self._slack
            kept = np.flatnonzero(self._similarities >= self._floor)
            self._rows, self._similarities = self._rows[kept], self._similarities[kept]

    def rows(self) -> RowArray:
        return self._rows
