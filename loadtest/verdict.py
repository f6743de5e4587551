"""Holds a run against the limits of its shape, and puts it into words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.limits import Limits
from loadtest.outcomes import Outcomes, percentile
from loadtest.shapes import Shape


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold: what was measured, and what it may be at most (or, with `at_least`, at least). A value that is nan is never met."""

    name: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        scale, digits = (100, 2) if self.unit == "%" else (1, 1)
        value = "nothing" if math.isnan(self.value) else f"{self.value * scale:.{digits}f} {self.unit}"
        limit = f"at {'least' if self.at_least else 'most'} {self.limit * scale:g} {self.unit}"
        return f"{'met   ' if self.met else 'MISSED'}  {self.name:<16} {value:>10}   {limit}"


def checks(outcomes: Outcomes, shape: Shape, limits: Limits) -> tuple[Check, ...]:
    """Every threshold, held against what happened."""
    achieved_share = outcomes.count / shape.planned_calls
    return (
        Check("failed calls", outcomes.failed_share, limits.failed_share, "%"),
        Check("p95", percentile(outcomes.latencies_ms, 0.95), limits.p95_ms, "ms"),
        Check("p99", percentile(outcomes.latencies_ms, 0.99), limits.p99_ms, "ms"),
        Check("of planned calls", achieved_share, limits.achieved_share, "%", at_least=True),
        Check("degraded calls", outcomes.degraded_share, limits.degraded_share, "%"),
    )


def summary(outcomes: Outcomes, shape: Shape) -> Iterator[str]:
    """What happened: calls, failures and degradations by name, times of the stages."""
    yield f"{shape.name}: {outcomes.count} calls in {shape.duration_s:g} s, {shape.planned_calls:.0f} planned, up to {shape.peak} callers"
    yield _times("calls", outcomes.latencies_ms)
    yield from (_times(f"  {name}", durations_ms) for name, durations_ms in outcomes.stages_ms.items())
    for what, counts in (("failed", outcomes.failures), ("degraded", outcomes.degradations)):
        yield from (f"{what}: {count} x {name}" for name, count in counts.most_common())


def _times(name: str, values_ms: Sequence[float]) -> str:
    p50, p95, p99 = (percentile(values_ms, share) for share in (0.5, 0.95, 0.99))
    return f"{name:<20} p50 {p50:8.3f}   p95 {p95:8.3f}   p99 {p99:8.3f} ms   of {len(values_ms)}"
