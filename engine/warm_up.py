"""The first work of a worker: runs what requests will run, so that none pays for first runs, and measures what it takes on this machine."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from bundle.open import Bundle
from domain.candidates import Candidates, Source
from domain.deadline import Clock, Deadline
from domain.errors import RequestError
from domain.request import CandidateFilter, RecommendRequest, User
from domain.slate import Recommended, Stage
from domain.stages import Ranker, Retriever
from domain.terms import Terms
from engine.sample_request import sample_user
from engine.stage_cost import StageCost, measure_cost

QUERY_COUNT = 16  # different ones: a query that was just asked finds everything in the cache
REQUEST_COUNT = 10


class WarmUp:
    """Measures the stages of one bundle. One thread, before anything is served."""

    def __init__(self, bundle: Bundle, clock: Clock) -> None:
        """clock: of the work that is measured, in seconds; see `Planner.work_clock`."""
        self._bundle, self._clock = bundle, clock
        self.count = min(bundle.manifest.candidate_count, len(bundle.creators))
        self._small = max(1, self.count // 8)

    def rank(self, ranker: Ranker) -> StageCost:
        """Of ranking, by the number of candidates."""
        user = sample_user(self._bundle, ranker.schema)
        return measure_cost(lambda n: _rank_first(ranker, user, n, self._clock), self._small, self.count, self._clock)

    def retrieve(self, retriever: Retriever, user: User, exact: bool) -> StageCost:
        """Of stage 1 without restriction, by the number of candidates."""
        rows = np.linspace(0, len(self._bundle.creators) - 1, QUERY_COUNT).astype(np.int64)
        queries = itertools.cycle(np.array(self._bundle.creators.embeddings[rows]))
        restriction = retriever.restrict(CandidateFilter(), user)
        never = Deadline.never(self._clock)
        return measure_cost(lambda n: retriever.retrieve(next(queries), n, restriction, exact, never), self._small, self.count, self._clock)

    def rest(self, recommend: Callable[[RecommendRequest, Terms], Recommended], requests: list[RecommendRequest]) -> StageCost:
        """Of everything else on the way of a request. requests: samples, asked in turn; those that cannot be answered are left out."""
        rests_s = []
        for request in itertools.islice(itertools.cycle(requests), REQUEST_COUNT):
            with suppress(RequestError):
                answer = recommend(request, Terms.unhurried(self._clock))
                apart_s = sum(r.duration_s for r in answer.records if r.stage in (Stage.RETRIEVE, Stage.RANK))
                rests_s.append(answer.duration_s - apart_s)
        return StageCost(statistics.median(rests_s[len(rests_s) // 3 :]) if rests_s else 0.0)


def _rank_first(ranker: Ranker, user: User, count: int, clock: Clock) -> object:
    rows = np.arange(count, dtype=np.int64)
    candidates = Candidates.of(rows, np.linspace(1.0, 0.0, count, dtype=np.float32), Source.INDEX)
    return ranker.rank(user, candidates, min(count, 20), {}, Deadline.never(clock))
