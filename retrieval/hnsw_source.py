"""Retrieval from an hnswlib index."""

from __future__ import annotations

from pathlib import Path

import hnswlib
import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.deadline import Deadline
from domain.errors import ArtifactError, ArtifactReason
from retrieval.copies import Copies, read_copies
from retrieval.description import COSINE, INDEX_FILE, IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.ordering import best_first, settle_ties
from retrieval.vectors import as_query, index_query


class HnswSource:
    """A CandidateSource over a loaded index. Searches are safe from any thread and release the GIL; nothing is ever added or resized.

    Effort beyond the least one is steered through the number of results asked of hnswlib: its `set_ef` races with searches, and it searches with
    max(ef, k) anyway.
    """

    def __init__(self, index: hnswlib.Index, copies: Copies, description: IndexDescription, exact: ExactSource, id_ranks: RowArray) -> None:
        """index: its labels are rows, `copies` are the rows that it lacks. exact: answers when the index cannot, and recomputes inner products."""
        self._index, self._description, self._exact, self._id_ranks = index, description, exact, np.asarray(id_ranks)
        self._copies = copies.ordered(self._id_ranks) if len(copies) else None
        self._cosine = description.space == COSINE
        # Where the index's own order is final, results beyond the wanted ones are not needed: hnswlib takes 0.2 us for each.
        self._few_suffice = self._cosine and self._copies is None

    @classmethod
    def load(cls, directory: Path, description: IndexDescription, embeddings: FloatArray, norms: FloatArray, id_ranks: RowArray) -> HnswSource:
        """Read `directory`/hnsw.bin, which `check_index_file` must have passed: hnswlib trusts it blindly. Holds the GIL for seconds per million
        rows, so it belongs before serving."""
        path = directory / INDEX_FILE
        index = hnswlib.Index(space="ip", dim=description.padded_dimension_count)
        try:
            index.load_index(str(path), max_elements=description.indexed_count)
        except RuntimeError as error:
            raise ArtifactError(path, ArtifactReason.INDEX_CORRUPT, f"hnswlib cannot read it ({error}); build the bundle again") from error
        index.set_num_threads(1)
        # hnswlib forgets ef when it saves. A floor under every search.
        index.set_ef(description.least_effort)
        copies = read_copies(directory, description.copy_count, description.count)
        return cls(index, copies, description, ExactSource(embeddings, norms, id_ranks, description.space), id_ranks)

    @property
    def usual_count(self) -> int:
        """How many candidates the index was tuned for."""
        return min(self._description.candidate_count, self._description.count)

    def effort(self, count: int) -> int:
        """The effort that `retrieve` spends on `count` candidates."""
        return self._description.effort(count)

    def retrieve(self, query: FloatArray, count: int, deadline: Deadline) -> Candidates:
        """The `count` most similar creators, at the tuned recall. Where the graph leads to fewer than asked, the exact scan answers."""
        vector = as_query(query, self._description.dimension_count)
        count = min(count, self._description.count)
        if count <= 0:
            return Candidates.empty()
        deadline.check("search the index")
        effort = self._description.effort(count)
        few = self._few_suffice and effort == self._description.least_effort and count < effort
        try:
            found = self._search(vector, count + 1 if few else effort)
            if few and found[1][count] == found[1][count - 1]:  # a tie at the cut: who else is in it?
                found = self._search(vector, effort)
        except RuntimeError:  # fewer reachable than asked; the only reason that is left for a checked file
            return self._exact.retrieve(vector, count, deadline)
        return Candidates.of(*self._best(vector, *found, count), Source.INDEX)

    def _search(self, vector: FloatArray, result_count: int) -> tuple[RowArray, FloatArray]:
        """(rows, distances) as hnswlib gives them, best first. It searches with an effort of the larger of `result_count` and its ef."""
        # num_threads=1: with more, hnswlib starts threads in every call.
        query = index_query(vector, self._description.padded_dimension_count)
        labels, distances = self._index.knn_query(query, k=result_count, num_threads=1)
        return labels[0].view(np.int64), distances[0]

    def _best(self, vector: FloatArray, rows: RowArray, distances: FloatArray, count: int) -> tuple[RowArray, FloatArray]:
        """The best `count` of what hnswlib found, which comes best first with distance = 1 - product of unit vectors."""
        if self._copies is not None:
            return best_first(*self._copies.expand(rows, self._similarities(vector, rows, distances), count), self._id_ranks, count)
        similarities = self._similarities(vector, rows, distances)
        return (settle_ties if self._cosine else best_first)(rows, similarities, self._id_ranks, count)

    def _similarities(self, vector: FloatArray, rows: RowArray, distances: FloatArray) -> FloatArray:
        # Inner products are scaled by norms in the index, which costs digits: compute them again from the embeddings as given.
        return np.float32(1.0) - distances if self._cosine else self._exact.similarities_of(vector, rows)
