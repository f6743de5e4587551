import numpy as np
import pytest

from bench.blocks import Measured
from bench.figures import Ratio, Sample, figures_of, median_ratio, ratios_by_round

SERVED_TO_RAW = Ratio("served", "raw", 1.5)


def _sample(number: int, contestant: str, cpu_ms: float, in_flight: int = 4, **more: object) -> Sample:
    """A block of ten requests that took `cpu_ms` each."""
    return Sample(number, in_flight, contestant, Measured(wall_s=2.0, cpu_ms=10 * cpu_ms, latencies_ms=np.arange(1.0, 11.0), **more))


def test_ratios_pair_blocks_of_the_same_round_whatever_the_order() -> None:
    samples = [_sample(1, "raw", 2.0), _sample(0, "served", 1.5), _sample(1, "served", 2.0), _sample(0, "raw", 1.0)]
    assert ratios_by_round(samples, SERVED_TO_RAW, 4) == [1.5, 1.0]


def test_other_levels_and_unpaired_rounds_do_not_count() -> None:
    samples = [_sample(0, "raw", 1.0), _sample(0, "served", 1.2), _sample(0, "raw", 9.0, in_flight=1), _sample(1, "served", 7.0)]
    assert ratios_by_round(samples, SERVED_TO_RAW, 4) == [pytest.approx(1.2)]


def test_one_disturbed_round_does_not_move_the_median() -> None:
    samples = [s for n, cost in enumerate((1.2, 1.2, 30.0)) for s in (_sample(n, "raw", 1.0), _sample(n, "served", cost))]
    assert median_ratio(samples, SERVED_TO_RAW, 4) == pytest.approx(1.2)


def test_without_both_sides_there_is_no_ratio() -> None:
    assert median_ratio([_sample(0, "served", 1.0)], SERVED_TO_RAW, 4) is None


def test_failed_calls_are_counted_and_are_no_throughput() -> None:
    figures = figures_of([_sample(0, "served", 1.0, failures={"UNAVAILABLE": 3, "INTERNAL": 1}, degraded=2)])
    assert figures.failure_count == 4
    assert figures.degraded_count == 2
    assert figures.requests_per_s == pytest.approx(3.0)


def test_cpu_is_per_request_and_percentiles_are_of_the_latencies() -> None:
    figures = figures_of([_sample(0, "served", 0.9)])
    assert figures.cpu_ms == pytest.approx(0.9)
    assert figures.p50_ms == pytest.approx(5.5)
    assert figures.p95_ms <= figures.p99_ms <= 10.0
