"""Other ways to plan, for engines that are Earshot's in everything else. The one place that knows where an engine's plan is decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from engine.budget import RankingCost
from engine.recommend import Engine

EVERYTHING = 1_000_000  # candidates: more than any request has


@dataclass(frozen=True, slots=True)
class CountOnly(RankingCost):
    """In the place of what ranking costs: however much time is left, as many as `count()` says are ranked."""

    count: Callable[[], int] = lambda: EVERYTHING

    def affordable(self, remaining_s: float, candidate_count: int) -> int:  # noqa: ARG002 - that is the point
        """The count, at most all."""
        return min(candidate_count, self.count())


class StuckEngine(Engine):
    """Holds every request for STUCK_S without using the processor."""

    stuck_s = 5.0

    def recommend(self, request: Any, terms: Any) -> Any:  # noqa: ARG002
        """Never in time."""
        time.sleep(StuckEngine.stuck_s)
        raise TimeoutError


def planned(engine: Engine, plan: str) -> Engine:
    """The engine with the plan of that name (bench.promise.contestant lists them). Raises ValueError."""
    kind, _, number = plan.partition(":")
    if kind == "full":
        return counting(engine, lambda: EVERYTHING)
    if kind == "fixed":
        return counting(engine, lambda: int(number))
    if kind == "stuck":
        StuckEngine.stuck_s = float(number)
        return StuckEngine(engine.bundle, engine.ways, engine.clock)
    raise ValueError(f'no plan is called "{plan}"')


def counting(engine: Engine, count: Callable[[], int]) -> Engine:
    """The engine that ranks as many as `count` says, whatever the time left. `count` is asked once per request, from its thread."""
    ways = {name: replace(way, rank=replace(way.rank, cost=CountOnly(count=count))) for name, way in engine.ways.items()}
    return replace(engine, ways=ways)


