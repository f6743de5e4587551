"""Other ways to plan, for engines that are Earshot's in everything else. The one place that knows where an engine's plan is decided."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from domain.deadline import Deadline
from domain.request import RecommendRequest
from domain.slate import Plan, Recommended
from domain.terms import Terms
from engine.plan import Planner
from engine.recommend import Engine
from evaluation.quality_factor import QualityFactor, QualityFactorOptions

EVERYTHING = 1_000_000  # candidates: more than any request has
OPTIONS = QualityFactorOptions(target_s=0.0, percentile=99.0, delta=0.0005, least=0.04)  # of seconds after the deadline: each call has its own


@dataclass(frozen=True, slots=True)
class CountingPlanner(Planner):
    """However much time is left, and whatever the load: all are retrieved, and as many as `count()` says are ranked, in one call."""

    count: Callable[[], int] = field(default=lambda: EVERYTHING, kw_only=True)

    def begin(self, wanted_count: int, page_size: int, exact: bool, terms: Terms) -> Plan:  # noqa: ARG002 - that is the point
        """All are retrieved."""
        return Plan(wanted_count, min(wanted_count, self.count()), terms.deadline.remaining_s())

    def again(self, plan: Plan, kept_count: int, exact: bool, terms: Terms) -> Plan:  # noqa: ARG002 - as above
        """As planned."""
        return plan._replace(rank_count=min(kept_count, plan.rank_count), remaining_s=terms.deadline.remaining_s())

    def next_chunk(self, plan: Plan, done_count: int, kept_count: int, deadline: Deadline) -> int:  # noqa: ARG002 - as above
        """One call."""
        return 0 if done_count else plan.rank_count


class StuckEngine(Engine):
    """Holds every request without using the processor."""

    stuck_s = 5.0

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:  # noqa: ARG002 - as above
        """Never."""
        time.sleep(StuckEngine.stuck_s)
        raise TimeoutError


class ObservedEngine(Engine):
    """Tells its factor after each request how long after the deadline that was."""

    factor = QualityFactor(OPTIONS)

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:
        """As the engine does."""
        overdue_s = math.inf  # of one that fails
        try:
            answer = recommend_as_engine(self, request, terms)
            overdue_s = -terms.deadline.remaining_s()
        finally:
            ObservedEngine.factor.observe(overdue_s)
        return answer


def recommend_as_engine(engine: Engine, request: RecommendRequest, terms: Terms) -> Recommended:
    """`Engine.recommend`, for those that add to it."""
    return Engine.recommend(engine, request, terms)


def planned(engine: Engine, plan: str) -> Engine:
    """The engine with the plan of that name (bench.promise.contestant lists them). Raises ValueError."""
    kind, _, number = plan.partition(":")
    if kind == "full":
        return counting(engine, lambda: EVERYTHING)
    if kind == "fixed":
        return counting(engine, lambda: int(number))
    if kind == "quality-factor":
        count = engine.bundle.manifest.candidate_count
        return _as(ObservedEngine, counting(engine, lambda: ObservedEngine.factor.count(count, 1)))
    if kind == "stuck":
        StuckEngine.stuck_s = float(number)
        return _as(StuckEngine, engine)
    raise ValueError(f'no plan is called "{plan}"')


def counting(engine: Engine, count: Callable[[], int]) -> Engine:
    """The engine that ranks as many as `count` says, whatever the time left. `count` is asked once per request, from its thread."""
    ways = {name: replace(way, rank=replace(way.rank, planner=_counting(way.rank.planner, count))) for name, way in engine.ways.items()}
    return replace(engine, ways=ways)


def _counting(planner: Planner, count: Callable[[], int]) -> Planner:
    """A planner like this one but for the count; what else planners have, and will have, stays."""
    return CountingPlanner(**{one.name: getattr(planner, one.name) for one in fields(planner)}, count=count)


def _as(kind: type[Engine], engine: Engine) -> Engine:
    """The same engine, of a class that answers otherwise."""
    values: dict[str, Any] = {one.name: getattr(engine, one.name) for one in fields(engine)}
    return kind(**values)
