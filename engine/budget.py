"""What one request can afford: the first rungs of the latency budget."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from domain.deadline import Clock

WARM_UP_RUN_COUNT = 7  # enough for a median that one preemption does not move; three are thrown away first
DISCARDED_RUN_COUNT = 3  # onnxruntime's first runs of a shape are 10 to 1000 times slower


@dataclass(frozen=True, slots=True)
class RankingCost:
    """Seconds of one ranker call over n candidates, as `fixed_s + per_candidate_s * n`. Measured by each worker at warm-up."""

    fixed_s: float = 0.0
    per_candidate_s: float = 0.0

    def of(self, candidate_count: int) -> float:
        """Seconds to rank that many; none cost nothing."""
        return self.fixed_s + self.per_candidate_s * candidate_count if candidate_count else 0.0

    def affordable(self, remaining_s: float, candidate_count: int) -> int:
        """How many of `candidate_count` fit into `remaining_s`: 0 to candidate_count."""
        if self.of(candidate_count) <= remaining_s:
            return candidate_count
        if remaining_s <= self.fixed_s or self.per_candidate_s <= 0.0:
            return 0
        return min(candidate_count, math.floor((remaining_s - self.fixed_s) / self.per_candidate_s))


def measure_cost(rank: Callable[[int], object], small: int, large: int, clock: Clock) -> RankingCost:
    """Fit the cost of `rank(n)` from medians at n = small and n = large (small <= large)."""
    small_s, large_s = _median_s(rank, small, clock), _median_s(rank, large, clock)
    per_candidate_s = max(0.0, (large_s - small_s) / (large - small)) if large > small else 0.0
    return RankingCost(max(0.0, small_s - per_candidate_s * small), per_candidate_s)


def _median_s(rank: Callable[[int], object], count: int, clock: Clock) -> float:
    durations_s = []
    for run in range(DISCARDED_RUN_COUNT + WARM_UP_RUN_COUNT):
        started_s = clock()
        rank(count)
        if run >= DISCARDED_RUN_COUNT:
            durations_s.append(clock() - started_s)
    return statistics.median(durations_s)
