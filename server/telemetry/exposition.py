"""/metrics: the board of all workers and the state of the process group, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, product

import grpc
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from domain.candidates import RemovalReason
from domain.slate import DegradationReason, Stage
from server.telemetry import board as slots
from server.telemetry.board import Board

CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class BoardCollector(Collector):
    """What the workers counted, summed over the group."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """All families, from one reading of the board."""
        totals = self._board.totals()
        yield _requests(totals)
        yield _durations(totals)
        yield _stages(totals)
        yield _creators(totals)
        yield _removed(totals)
        yield _degradations(totals)
        yield GaugeMetricFamily("earshot_requests_in_flight", "Requests on a request thread now.", value=totals[slots.IN_FLIGHT])
        unlogged = CounterMetricFamily("earshot_access_lines_suppressed", "Requests without an access line, above the rate.")
        unlogged.add_metric([], totals[slots.UNLOGGED])
        yield unlogged
        yield _costs([self._board.row(place) for place in range(self._board.place_count)])


class GroupCollector(Collector):
    """The processes: `read` gives (metric name, help, value, is a counter) for each number."""

    def __init__(self, read: Callable[[], Sequence[tuple[str, str, float, bool]]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """One family per number."""
        for name, text, value, counter in self._read():
            family = CounterMetricFamily(name, text) if counter else GaugeMetricFamily(name, text)
            family.add_metric([], value)
            yield family


def _requests(totals: Sequence[float]) -> Metric:
    family = CounterMetricFamily("earshot_requests", "Calls of RecommendCreators by canonical code.", labels=["code"])
    for code, name in CODE_NAMES.items():
        if totals[slots.REQUESTS + code] or name == "OK":
            family.add_metric([name], totals[slots.REQUESTS + code])
    return family


def _durations(totals: Sequence[float]) -> Metric:
    family = HistogramMetricFamily("earshot_request_duration_seconds", "Time from reaching a request thread to the answer.")
    family.add_metric([], *_histogram(totals, slots.DURATION))
    return family


def _stages(totals: Sequence[float]) -> Metric:
    family = HistogramMetricFamily("earshot_stage_duration_seconds", "Time inside one stage.", labels=["stage"])
    for stage in Stage:
        family.add_metric([stage.name.lower()], *_histogram(totals, slots.STAGE_DURATION + (stage - 1) * slots.HISTOGRAM_SIZE))
    return family


def _histogram(totals: Sequence[float], start: int) -> tuple[list[tuple[str, float]], float]:
    bounds = [*(f"{bound:g}" for bound in slots.DURATION_BOUNDS_S), "+Inf"]
    counts = accumulate(totals[start : start + slots.BUCKET_COUNT])
    return list(zip(bounds, counts, strict=True)), totals[start + slots.BUCKET_COUNT]


def _creators(totals: Sequence[float]) -> Metric:
    family = CounterMetricFamily("earshot_creators", "Creators by what became of them.", labels=["count"])
    for place, name in enumerate(slots.CREATOR_COUNTS):
        family.add_metric([name], totals[slots.CREATORS + place])
    return family


def _removed(totals: Sequence[float]) -> Metric:
    family = CounterMetricFamily("earshot_creators_removed", "Creators taken out, by filter.", labels=["filter"])
    for reason in RemovalReason:
        family.add_metric([reason.name.lower()], totals[slots.REMOVED + reason - 1])
    return family


def _degradations(totals: Sequence[float]) -> Metric:
    family = CounterMetricFamily("earshot_degradations", "Rungs taken instead of the full work.", labels=["stage", "reason"])
    for stage, reason in product(Stage, DegradationReason):
        value = totals[slots.DEGRADATIONS + (stage - 1) * len(DegradationReason) + reason - 1]
        if value:
            family.add_metric([stage.name.lower(), reason.name.lower()], value)
    return family


def _costs(rows: Sequence[Sequence[float]]) -> Metric:
    """Of each worker by itself: sums and means of costs on different cores would tell nothing."""
    family = GaugeMetricFamily("earshot_cost_seconds", "Time that a stage takes, as a worker has learned it.", labels=["worker", "stage", "part"])
    for place, row in enumerate(rows):
        for slot, (stage, part) in enumerate(product(slots.COST_STAGES, slots.COST_PARTS)):
            if row[slots.COSTS + slot]:
                family.add_metric([str(place), stage, part], row[slots.COSTS + slot])
    return family
