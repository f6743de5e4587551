"""A baseline for the planner: the quality factor of Twitter's recommendation pipelines, which sheds work by feedback alone.

Written after its description and formula in twitter/the-algorithm, `product_mixer/core/quality_factor`: LinearLatencyQualityFactor and its
configuration. A number q between two bounds multiplies the width of every request; after each request

    q += delta                        when it took no longer than the target,
    q -= delta * p / (100 - p)        when it took longer, or failed,

so that q stays where it is while the p-th percentile of the latency is the target. It knows neither what a candidate costs nor how much time the
caller left: the same factor serves a deadline of 10 ms and one of 100 ms.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QualityFactorOptions:
    """target_s: the latency that the percentile (50 to below 100) is to meet. delta: the step. least, most: the bounds; it starts at the upper one.

    delay_s: for so long after the start nothing is learned, as in the original, whose services warm up in that time.
    """

    target_s: float
    percentile: float = 99.0
    delta: float = 0.001
    least: float = 0.0
    most: float = 1.0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot work: 0.99 is no percentile here, 99 is."""
        if not 50.0 <= self.percentile < 100.0:
            raise ValueError(f"percentile is {self.percentile}; it must be at least 50 and below 100, for instance 99")
        if not self.delta > 0.0 or not 0.0 <= self.least <= self.most <= 1.0:
            raise ValueError(f"delta is {self.delta}, the bounds are {self.least} and {self.most}; delta must be above 0, the bounds within 0 and 1")


class QualityFactor:
    """The factor of one process. Thread-safe."""

    def __init__(self, options: QualityFactorOptions, started_s: float = 0.0) -> None:
        self._options = options
        self._learns_from_s = started_s + options.delay_s
        self._lock = threading.Lock()
        self.value = options.most

    def observe(self, latency_s: float, now_s: float = math.inf) -> None:
        """A request has ended after `latency_s`; a failed one counts as infinitely slow. now_s: on the clock of `started_s`."""
        options = self._options
        if now_s < self._learns_from_s:
            return
        step = options.delta if latency_s <= options.target_s else -options.delta * options.percentile / (100.0 - options.percentile)
        with self._lock:
            self.value = min(options.most, max(options.least, self.value + step))

    def count(self, wanted_count: int, least_count: int = 0) -> int:
        """How many of `wanted_count` candidates the next request works on; at least `least_count`, where so many are wanted."""
        return max(min(least_count, wanted_count), min(wanted_count, round(self.value * wanted_count)))
