"""What planning costs a request that has all the time in the world: the engine with its planner, and with one that decides nothing, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.promise.contestant import whole_engine
from bench.promise.plans import planned
from bench.question import user_id
from domain.deadline import Deadline
from domain.request import RecommendRequest
from domain.terms import Terms
from engine.recommend import Engine

BLOCK_SIZE = 8  # requests, short, so that both see the same machine
DISCARDED_COUNT = 2  # blocks that warm up
DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class PlanCost:
    """CPU seconds of one request in the engine, medians. share: of the pairs' differences, over the plain one; negative is noise."""

    planned_s: float
    plain_s: float
    share: float
    pair_count: int


def plan_cost(bundle: Path, seconds: float) -> PlanCost:
    """Blocks of both in turns for so long, in this process, the same users for both."""
    engine = whole_engine(bundle)
    plain = planned(engine, "full")
    pairs: list[tuple[float, float]] = []
    until_s = time.monotonic() + seconds
    while len(pairs) <= DISCARDED_COUNT or time.monotonic() < until_s:
        turns = (engine, plain) if len(pairs) % 2 else (plain, engine)
        took_s = {id(one): _block_s(one) for one in turns}
        pairs.append((took_s[id(engine)], took_s[id(plain)]))
    pairs = pairs[DISCARDED_COUNT:]
    ratios = [with_plan / without - 1.0 for with_plan, without in pairs]
    return PlanCost(statistics.median(p for p, _ in pairs), statistics.median(p for _, p in pairs), statistics.median(ratios), len(pairs))


def _block_s(engine: Engine, clock: Callable[[], float] = time.thread_time) -> float:
    """CPU seconds per request of one block."""
    requests = [RecommendRequest(request_id=f"r{row}", user_id=user_id(row)) for row in range(BLOCK_SIZE)]
    started_s = clock()
    for request in requests:
        engine.recommend(request, Terms(Deadline.after(DEADLINE_S, time.monotonic)))
    return (clock() - started_s) / BLOCK_SIZE
