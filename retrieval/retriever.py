"""Stage 1 as the engine sees it: plans between the index and the exact scan, and lays the overlay on top."""

from __future__ import annotations

import math
from copy import copy

import numpy as np

from domain.arrays import FloatArray
from domain.candidates import Candidates
from domain.columns import Creators
from domain.deadline import Deadline
from domain.request import CandidateFilter, User
from domain.stages import Restriction, RetrievalAnswer
from retrieval.cost import SHIPPED, Costs
from retrieval.exact_source import ExactSource
from retrieval.hnsw_source import HnswSource
from retrieval.merge import merge
from retrieval.ordering import best_first
from retrieval.overlay import OverlaySource
from retrieval.restriction import CatalogueRestriction, Restrictor
from retrieval.sample import OVERFETCH, Sample

INDEX, EXACT = "index", "exact"

ATTEMPTS = 2
"""How often the index is asked. The second time it is known how many of the nearest are allowed; a third would cost more than it saves."""

SURE = 1.25
"""Looking so many times further than without a restriction is cheap enough to be done without asking the sample first."""

TELLING = 8
"""From so many allowed ones on, their share among those that were looked through says how far to look next."""


class IndexRetriever:
    """A Retriever over one bundle's index and catalogue. Safe from any thread.

    A restriction is never handed to hnswlib (its filter takes the GIL at every node): the index is asked for more, and what is not allowed is
    dropped afterwards. Where that would cost more than a scan of the allowed rows, the scan answers, with full recall. All attempts at the index
    together never cost more than that scan.
    """

    def __init__(
        self, index: HnswSource, exact: ExactSource, creators: Creators, sample: Sample, overlay: OverlaySource | None, costs: Costs = SHIPPED
    ) -> None:
        """overlay: creators that must never be lost; None costs nothing."""
        self._index, self._exact, self._creators, self._sample = index, exact, creators, sample
        self._overlay = overlay
        self._restrictor = Restrictor(creators)
        self.costs = costs

    @property
    def overlay_count(self) -> int:
        """How many creators are scanned exactly on top of the index."""
        return 0 if self._overlay is None else len(self._overlay)

    def planned_by(self, costs: Costs) -> IndexRetriever:
        """The same retriever with another crossover."""
        other = copy(self)
        other.costs = costs
        return other

    def replace_overlay(self, overlay: OverlaySource | None) -> None:
        """Serve another overlay from the next request on: requests that run go on with the one that they have read."""
        self._overlay = overlay

    def restrict(self, wanted: CandidateFilter, user: User) -> CatalogueRestriction:
        """The rows this request may show."""
        return self._restrictor.restrict(wanted, user)

    def retrieve(self, query: FloatArray, count: int, restriction: Restriction, exact: bool, deadline: Deadline) -> RetrievalAnswer:
        """Candidates of which `count` are allowed, or all allowed ones when fewer exist. From the index: up to the last of the `count`, those
        between that are not allowed included. From a scan: allowed ones only."""
        if not exact and count > 0:
            found = self._from_index(query, count, restriction, deadline)
            if found is not None:
                return RetrievalAnswer(found, INDEX)
        return RetrievalAnswer(self._scan(query, count, restriction, deadline), EXACT)

    def _from_index(self, query: FloatArray, count: int, restriction: Restriction, deadline: Deadline) -> Candidates | None:
        """None where a scan is the better plan, or turned out to be."""
        overlay = self._overlay
        creator_count, restricts = len(self._exact), restriction.restricts
        scan_cost = self.costs.of_scan(restriction.allowed_count(), creator_count) if restricts else creator_count
        affordable = scan_cost - (0 if overlay is None else len(overlay))
        reach = self._first_reach(query, count, restriction, affordable) if restricts else count
        for _ in range(ATTEMPTS):
            affordable -= self.costs.of_index(self._index.effort(reach), restricts)
            if reach >= creator_count or affordable <= 0.0:
                return None
            found, allowed_count = _until(self._index.retrieve(query, reach, deadline), count, restriction)
            if allowed_count >= count:
                return found if overlay is None else self._with_overlay(overlay, query, found, restriction, deadline)
            reach = self._next_reach(query, count, restriction, reach, allowed_count)
        return None

    def _first_reach(self, query: FloatArray, count: int, restriction: Restriction, affordable: float) -> int:
        """How many of the nearest to look through first, of which not all may be shown; all when the index cannot pay."""
        cheapest = self._index.effort(count)
        if self.costs.of_index(cheapest, restricted=True) >= affordable:
            return len(self._exact)
        reach = restriction.reach(count)
        if self._index.effort(reach) <= SURE * cheapest:
            return reach
        return self._sample.reach(query, count, restriction)

    def _next_reach(self, query: FloatArray, count: int, restriction: Restriction, reach: int, allowed_count: int) -> int:
        """How far to look after `reach` of the nearest held only `allowed_count`."""
        if allowed_count < TELLING:
            return max(2 * reach, self._sample.reach(query, count, restriction))
        return math.ceil(OVERFETCH * reach * count / allowed_count)

    def _with_overlay(self, overlay: OverlaySource, query: FloatArray, found: Candidates, restriction: Restriction, deadline: Deadline) -> Candidates:
        """`found`, whose last is the last allowed one that is wanted, and what of the overlay is as near; as many allowed as before.

        hnswlib's similarities are of normalised vectors and differ in the last digit. They are computed again as the overlay's are, so that rounding
        never decides who is at the cut.
        """
        similarities = self._exact.similarities_of(query, found.rows)
        found = Candidates(*best_first(found.rows, similarities, self._creators.id_ranks, len(found)), found.sources)
        near = overlay.retrieve_from(query, float(similarities.min()), deadline)
        missed = near.take(~np.isin(near.rows, found.rows))
        if not len(missed):
            return found
        count = int(np.count_nonzero(restriction.allows(found.rows))) if restriction.restricts else len(found)
        return _until(merge((found, missed), self._creators.id_ranks), count, restriction)[0]

    def _scan(self, query: FloatArray, count: int, restriction: Restriction, deadline: Deadline) -> Candidates:
        if self.costs.gathering_pays(restriction.allowed_count(), len(self._exact)):
            rows = restriction.allowed_rows()
            if rows is not None:
                return self._exact.scan(query, count, rows, deadline)
        return self._exact.scan_all(query, count, restriction.allowed_mask(), deadline)


def _until(found: Candidates, count: int, restriction: Restriction) -> tuple[Candidates, int]:
    """(`found` up to its `count`-th allowed candidate, how many are allowed in it: less than `count` when there are not so many)."""
    if not restriction.restricts:
        found_count = len(found)
        return (found, found_count) if found_count <= count else (found.take(slice(0, count)), count)
    allowed = np.flatnonzero(restriction.allows(found.rows))
    if len(allowed) < count:
        return found, len(allowed)
    return found.take(slice(0, int(allowed[count - 1]) + 1)), count
