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


class QualityFactorEngine(Engine):
    """Tells its factor after each request whether the caller's deadline was kept."""

    def recommend(self, request: Any, terms: Any) -> Any:
        """As the engine does."""
        answer = super().recommend(request, terms)
        FACTOR.observe(in_time=deadline_of(terms).remaining_s() > 0)
        return answer


class Factor:
    """The share of the candidates that is ranked, moved by what became of each request.

    Twitter's QualityFactorConfig (twitter/the-algorithm, Product Mixer): up by `step` where the target was kept, down by step * p / (100 - p) where not,
    so that it rests where `percentile` percent keep it. Safe from any thread: a lost update is one step.
    """

    def __init__(self, step: float = 0.0005, percentile: float = 99.0, least: float = 0.04) -> None:
        self._up, self._down, self._least = step, step * percentile / (100.0 - percentile), least
        self.value = 1.0

    def observe(self, in_time: bool) -> None:
        """One request has been answered."""
        moved = self.value + self._up if in_time else self.value - self._down
        self.value = min(1.0, max(self._least, moved))


FACTOR = Factor()


def deadline_of(terms: Any) -> Any:
    """The deadline, of the terms or as it is."""
    return getattr(terms, "deadline", terms)


def planned(engine: Engine, plan: str) -> Engine:
    """The engine with the plan of that name (bench.promise.contestant lists them). Raises ValueError."""
    kind, _, number = plan.partition(":")
    if kind == "full":
        return counting(engine, lambda: EVERYTHING)
    if kind == "fixed":
        return counting(engine, lambda: int(number))
    if kind == "quality-factor":
        counted = counting(engine, lambda: max(1, round(FACTOR.value * engine.bundle.manifest.candidate_count)))
        return QualityFactorEngine(counted.bundle, counted.ways, counted.clock)
    if kind == "stuck":
        StuckEngine.stuck_s = float(number)
        return StuckEngine(engine.bundle, engine.ways, engine.clock)
    raise ValueError(f'no plan is called "{plan}"')


def counting(engine: Engine, count: Callable[[], int]) -> Engine:
    """The engine that ranks as many as `count` says, whatever the time left. `count` is asked once per request, from its thread."""
    ways = {name: replace(way, rank=replace(way.rank, cost=CountOnly(count=count))) for name, way in engine.ways.items()}
    return replace(engine, ways=ways)


