"""Keeps the cost model alive where no request can afford a stage any more: nothing would ever show that the stage has become fast again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from domain.errors import EarshotError
from domain.request import RecommendRequest
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.recommend import Engine
from engine.sample_request import sample_requests
from engine.stage_cost import StageCost

LEAST_INTERVAL_S, MOST_INTERVAL_S = 0.5, 4.0
DUTY = 0.002  # of a core goes into probes, or as much as one in MOST_INTERVAL_S takes: who allows 5 ms and comes during one of 4 ms is late
WIDTH = 8  # a probe ranks two candidates and then the eighth part of all: one width cannot tell the fixed cost from the one per candidate


class Prober:
    """Asks one sample request of each starved profile, now and then, without a deadline; its stages are observed like those of any other.

    Starved is what somebody could not afford and nobody ran since the last look. Where deadlines are tight, one in ten requests affords nothing while
    the others go on observing: a probe would tell nothing, and the 3 ms that it takes would be what makes the next one late.
    `run` is called from one thread, which is not one that answers requests.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._next_s = -float("inf")
        self._requests: dict[str, RecommendRequest] = {}
        self._observed_counts: dict[StageCost, int] = {}

    def run(self) -> None:
        """Probe what is starved, unless that was done a moment ago. Never raises for what a probe ran into: requests will tell."""
        clock = self._engine.clock
        started_s = clock()
        if started_s < self._next_s:
            return
        for name, way in self._engine.ways.items():
            self._feed(name, way.rank.planner.costs)
        ended_s = clock()
        self._next_s = ended_s + min(MOST_INTERVAL_S, max(LEAST_INTERVAL_S, (ended_s - started_s) / DUTY))

    def _feed(self, name: str, costs: CostModel) -> None:
        """Let what is starved be observed, and doubt what was learned of it before."""
        starved, exact = [cost for cost in costs.starved if self._stands_still(cost)], costs.exact.starved
        for cost in starved:
            cost.doubt()
        for width in (2, max(2, costs.candidate_count // WIDTH)) if starved else ():
            with suppress(EarshotError):
                request = replace(self._request(name), exact=exact, candidate_count=width)
                self._engine.recommend(request, Terms.unhurried(self._engine.clock))
        self._observed_counts.update({cost: cost.observed_count for cost in starved})

    def _stands_still(self, cost: StageCost) -> bool:
        """Whether nobody has observed it since it was last seen starved."""
        before, self._observed_counts[cost] = self._observed_counts.get(cost), cost.observed_count
        return before == cost.observed_count

    def _request(self, name: str) -> RecommendRequest:
        if name not in self._requests:
            bundle, ranker = self._engine.bundle, self._engine.ways[name].rank.ranker
            request = next(iter(sample_requests(bundle, ranker.schema, 1)))
            self._requests[name] = replace(request, request_id="probe", surface=name, page_size=1)
        return self._requests[name]
