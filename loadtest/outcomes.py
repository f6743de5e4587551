"""Counts and percentiles of a run. Kept beside locust's own table, whose percentiles are rounded and which knows no degradations."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence

from loadtest.call import Outcome


class Outcomes:
    """What became of all calls. Eight bytes per call are kept. Not thread-safe; greenlets of one thread may share it."""

    def __init__(self) -> None:
        self.latencies_ms = array("d")  # of every call, failed ones too: a timeout is a long wait, not a missing one
        self.failures: Counter[str] = Counter()
        self.degradations: Counter[str] = Counter()
        self.degraded_count = 0
        self.stages_ms: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, outcome: Outcome) -> None:
        """Count one call."""
        self.latencies_ms.append(outcome.latency_ms)
        if outcome.failure:
            self.failures[outcome.failure] += 1
        self.degraded_count += bool(outcome.degradations)
        self.degradations.update(outcome.degradations)
        for stage, duration_ms in outcome.stages:
            self.stages_ms[stage].append(duration_ms)

    @property
    def count(self) -> int:
        """All calls."""
        return len(self.latencies_ms)

    @property
    def failed_share(self) -> float:
        """Of all calls; nan without any."""
        return self.failures.total() / self.count if self.count else math.nan

    @property
    def degraded_share(self) -> float:
        """Of all calls; nan without any."""
        return self.degraded_count / self.count if self.count else math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; nan of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
