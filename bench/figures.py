"""From blocks to figures: medians over rounds, and ratios taken within a round, where noise hits both sides alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.blocks import Measured


@dataclass(frozen=True, slots=True)
class Sample:
    """One block that was run."""

    round: int
    in_flight: int
    contestant: str
    measured: Measured


@dataclass(frozen=True, slots=True)
class Ratio:
    """One question of the benchmark: CPU per request of `above`, in units of `below`'s. target: what it must not exceed, if anything."""

    above: str
    below: str
    target: float | None = None

    @property
    def name(self) -> str:
        """As the report prints it."""
        return f"{self.above}/{self.below}"


MOST_OF_TUNED = {"mlp": 0.92, "two-towers": 0.45}
"""What the served path may take of the plain tuned server, which runs the ranker as exported."""

MOST_NARROWED = {"mlp": 0.82}
"""The same for a narrowed form, where that is asked to be less."""


def ratios_of(ranker: str, narrow: bool = False) -> tuple[Ratio, ...]:
    """What is asked of a run with this ranker."""
    most = MOST_OF_TUNED | (MOST_NARROWED if narrow else {})
    return (
        Ratio("served", "raw", 1.45),
        Ratio("served", "typical", 0.70),
        Ratio("served", "tuned", most[ranker]),
        Ratio("engine", "raw"),
        Ratio("tuned", "raw"),
        Ratio("typical", "raw"),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant at one level: medians over rounds."""

    cpu_ms: float
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    request_count: int
    failure_count: int
    degraded_count: int


def figures_of(samples: Sequence[Sample]) -> Figures:
    """The figures of all samples of one contestant at one level; at least one."""
    blocks = [sample.measured for sample in samples]
    return Figures(
        cpu_ms=statistics.median(block.cpu_ms_per_request for block in blocks),
        requests_per_s=statistics.median(block.requests_per_s for block in blocks),
        p50_ms=statistics.median(block.percentile_ms(50) for block in blocks),
        p95_ms=statistics.median(block.percentile_ms(95) for block in blocks),
        p99_ms=statistics.median(block.percentile_ms(99) for block in blocks),
        request_count=sum(len(block.latencies_ms) for block in blocks),
        failure_count=sum(sum(block.failures.values()) for block in blocks),
        degraded_count=sum(block.degraded for block in blocks),
    )


def ratios_by_round(samples: Sequence[Sample], ratio: Ratio, in_flight: int) -> list[float]:
    """The ratio within each round of one level, in round order; rounds that lack a side are left out."""
    cost = {(s.round, s.contestant): s.measured.cpu_ms_per_request for s in samples if s.in_flight == in_flight}
    rounds = sorted({number for number, _ in cost})
    pairs = [(cost.get((number, ratio.above)), cost.get((number, ratio.below))) for number in rounds]
    return [above / below for above, below in pairs if above is not None and below is not None]


def median_ratio(samples: Sequence[Sample], ratio: Ratio, in_flight: int) -> float | None:
    """The median over rounds, or None when no round has both sides."""
    found = ratios_by_round(samples, ratio, in_flight)
    return statistics.median(found) if found else None
