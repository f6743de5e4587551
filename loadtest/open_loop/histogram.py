"""Percentiles of latencies: Gil Tene's HdrHistogram, by its own library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

HIGHEST_US = 60_000_000  # a minute; whatever took longer is recorded as that
DIGITS = 3  # of every value
SHARES = (50.0, 90.0, 99.0, 99.9)  # in percent


@dataclass(frozen=True, slots=True)
class Percentiles:
    """In milliseconds, to three digits; 0 of nothing."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def percentiles(values_s: Iterable[float]) -> Percentiles:
    """Of values in seconds; negative ones count as 0."""
    histogram = HdrHistogram(1, HIGHEST_US, DIGITS)
    for value_s in values_s:
        histogram.record_value(min(HIGHEST_US, max(0, round(value_s * 1e6))))
    if not histogram.get_total_count():
        return Percentiles(0.0, 0.0, 0.0, 0.0, 0.0)
    found = histogram.get_percentile_to_value_dict(SHARES)  # one pass over the counters for all of them
    p50, p90, p99, p999 = (found[share] / 1e3 for share in SHARES)
    return Percentiles(p50, p90, p99, p999, histogram.get_max_value() / 1e3)
