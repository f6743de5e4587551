"""Rankings become rows of a table: metrics per user, intervals over users, and what is paired between methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, RowArray
from evaluation.bootstrap import Interval, interval, intervals, loss_interval
from evaluation.metrics import Values, Wanted, exposure, hits, ndcg, recall
from evaluation.result import Row

Metric = Callable[[BoolArray, RowArray, int], Values]
METRICS: Mapping[str, tuple[Metric, int]] = {
    "NDCG@20": (ndcg, 20),
    "Recall@20": (recall, 20),
    "Recall@50": (recall, 50),
    "Recall@500": (recall, 500),
}
SLATE_PLACES = 20  # exposure counts what a slate shows


@dataclass(frozen=True)
class MethodTable:
    """Methods over the same U users. values: by method and metric, float64 [U]."""

    values: Mapping[str, Mapping[str, Values]]
    shares: Mapping[str, Mapping[str, float]]

    def rows(self) -> tuple[Row, ...]:
        """With intervals, in the order of the methods. All share the resampled users."""
        named = [(method, metric) for method, found in self.values.items() for metric in found]
        if not named:
            return ()
        found = intervals(np.column_stack([self.values[method][metric] for method, metric in named]))
        by_name = dict(zip(named, found, strict=True))
        return tuple(
            Row(method, {metric: by_name[method, metric] for metric in metrics}, self.shares.get(method, {}))
            for method, metrics in self.values.items()
        )

    def gain(self, method: str, reference: str, metric: str) -> Interval:
        """How much higher the mean of one method is, paired by user."""
        return interval(self.values[method][metric] - self.values[reference][metric])

    def loss(self, method: str, reference: str, metric: str) -> Interval:
        """What share of the reference's mean is lost, paired by user."""
        return loss_interval(self.values[method][metric], self.values[reference][metric])

    def best(self, methods: frozenset[str], metric: str) -> str:
        """The method with the highest mean among `methods`."""
        return max((m for m in self.values if m in methods), key=lambda m: float(self.values[m][metric].mean()))


def measure(rankings: Mapping[str, RowArray], wanted: Wanted, emerging: BoolArray) -> MethodTable:
    """rankings: by method, int64 [U, K]; a metric deeper than K is left out."""
    values, shares = {}, {}
    for method, ranking in rankings.items():
        found = hits(ranking, wanted)
        values[method] = {name: metric(found, wanted.counts, depth) for name, (metric, depth) in METRICS.items() if depth <= ranking.shape[1]}
        seen = exposure(ranking[:, :SLATE_PLACES], emerging)
        shares[method] = {"coverage": seen.coverage, "Gini": seen.gini, "emerging": seen.emerging}
    return MethodTable(values, shares)
