"""Stage 1 as the engine sees it: plans between the index and the exact scan."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray
from domain.candidates import Candidates
from domain.columns import Creators
from domain.deadline import Deadline
from domain.request import CandidateFilter, User
from domain.stages import Restriction, RetrievalAnswer
from retrieval.cost import index_pays, scanned_row_count
from retrieval.exact_source import ExactSource
from retrieval.hnsw_source import HnswSource
from retrieval.restriction import CatalogueRestriction, Restrictor

INDEX, EXACT = "index", "exact"

WIDENING = 3
"""How much further each attempt looks when too few were allowed. Attempts end soon: the scan gets cheaper than the next one."""


class IndexRetriever:
    """A Retriever over one bundle's index and catalogue. Immutable, safe from any thread.

    A restriction is never handed to hnswlib (its filter takes the GIL at every node): the index is asked for more, and what is not allowed is
    dropped afterwards. Where that would cost more than a scan of the allowed rows, the scan answers, with full recall.
    """

    def __init__(self, index: HnswSource, exact: ExactSource, creators: Creators) -> None:
        self._index, self._exact = index, exact
        self._restrictor = Restrictor(creators)

    def restrict(self, wanted: CandidateFilter, user: User) -> CatalogueRestriction:
        """The rows this request may show."""
        return self._restrictor.restrict(wanted, user)

    def retrieve(self, query: FloatArray, count: int, restriction: Restriction, exact: bool, deadline: Deadline) -> RetrievalAnswer:
        """Candidates of which `count` are allowed, or all allowed ones when fewer exist. From the index: up to the last of the `count`, those
        between that are not allowed included. From a scan: allowed ones only."""
        scanned_rows = scanned_row_count(restriction.allowed_count(), len(self._exact))
        reach = restriction.reach(count)
        while not exact and reach < len(self._exact) and index_pays(self._index.effort(reach), scanned_rows):
            found = _until(self._index.retrieve(query, reach, deadline), count, restriction)
            if found is not None:
                return RetrievalAnswer(found, INDEX)
            reach *= WIDENING
        return RetrievalAnswer(self._exact.scan(query, count, restriction.allowed_rows(), deadline), EXACT)


def _until(found: Candidates, count: int, restriction: Restriction) -> Candidates | None:
    """`found` up to its `count`-th allowed candidate; None when there are fewer."""
    if not restriction.restricts:
        return found
    allowed = np.flatnonzero(restriction.allows(found.rows))
    if len(allowed) < count:
        return None
    return found.take(slice(0, int(allowed[count - 1]) + 1 if count > 0 else 0))
