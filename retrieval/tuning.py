"""Measuring an index's recall against the exact answer, and finding the least effort that reaches the asked one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import hnswlib
import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.deadline import Clock
from domain.progress import SILENT
from domain.stages import Progress
from retrieval.copies import Copies, most_copies
from retrieval.description import IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.vectors import index_query, unit

EFFORT_CAP = 5000
"""Efforts beyond it cost several milliseconds a request, where the exact scan of a million creators costs 15."""

WIDEST_EFFORT = 4
"""Where several thousand candidates are asked for, efforts up to so many times their count are tried."""

LADDER_STEP = 1.4
"""Each rung spends this much more effort than the one before; bisection between the last two rungs finds the rest."""

FINENESS = 0.02
"""Bisection ends when the two efforts are this close: recall moves by tenths of a point there."""

STANDARD_ERRORS = 2.0
"""The recall that is promised lies so many standard errors below the measured mean: queries not yet seen fall short of it 1 time in 40."""

TIE = 1e-6
"""A creator this close (relatively) to the last of the exact answer is as good as it: equal vectors have no one right order here."""

BLOCK_PRODUCTS = 1 << 24
"""Products of queries and creators held at a time (64 MB)."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Queries with their exact answers. queries: float32 [Q, D] as given; rows: int64 [Q, k]; floors: float32 [Q], the k-th similarity."""

    queries: FloatArray
    rows: RowArray
    floors: FloatArray

    @property
    def count(self) -> int:
        """How many rows one answer has."""
        return int(self.rows.shape[1])

    def first(self, count: int, exact: ExactSource) -> Truth:
        """The best `count` (<= `self.count`) of every answer. exact: computes their similarities again."""
        similarities = np.stack([exact.similarities_of(query, rows) for query, rows in zip(self.queries, self.rows, strict=True)])
        best = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
        floors = np.take_along_axis(similarities, best[:, -1:], axis=1)[:, 0]
        return Truth(self.queries, np.take_along_axis(self.rows, best, axis=1), floors)


@dataclass(frozen=True, slots=True)
class Measured:
    """One effort: mean recall over the queries, its standard error, and milliseconds per query on one thread."""

    effort: int
    mean: float
    error: float
    milliseconds: float

    @property
    def promised(self) -> float:
        """The recall that holds for unseen queries."""
        return max(0.0, self.mean - STANDARD_ERRORS * self.error)


class Probe:
    """Asks an index with chosen efforts and compares with the truth."""

    def __init__(self, index: hnswlib.Index, described: IndexDescription, copies: Copies, exact: ExactSource, truth: Truth, clock: Clock) -> None:
        """exact computes similarities of ties; clock in seconds."""
        self._index, self._described, self._copies, self._exact, self._truth, self._clock = index, described, copies, exact, truth, clock

    @property
    def described(self) -> IndexDescription:
        """The index that is asked."""
        return self._described

    def of_fewer(self, count: int) -> Probe:
        """The same for the best `count` alone."""
        truth = self._truth.first(count, self._exact)
        return Probe(self._index, self._described, self._copies, self._exact, truth, self._clock)

    def measure(self, effort: int) -> Measured:
        """Every query once. A query for which the graph leads to fewer than `effort` counts as all missed."""
        queries = [index_query(query, self._described.padded_dimension_count) for query in self._truth.queries]
        start_s = self._clock()
        answers = [self._ask(query, effort) for query in queries]
        milliseconds = (self._clock() - start_s) * 1e3 / len(queries)
        recalls = np.array([self._recall(i, rows) for i, rows in enumerate(answers)])
        return Measured(effort, float(recalls.mean()), float(recalls.std() / math.sqrt(len(recalls))), milliseconds)

    def _ask(self, query: FloatArray, effort: int) -> RowArray:
        try:
            labels, distances = self._index.knn_query(query, k=effort, num_threads=1)
        except RuntimeError:
            return np.empty(0, np.int64)
        rows, nearness = self._copies.expand(labels[0].astype(np.int64), -distances[0], self._truth.count)
        return rows[np.argsort(-nearness, kind="stable")[: self._truth.count]]

    def _recall(self, i: int, rows: RowArray) -> float:
        missed = rows[~np.isin(rows, self._truth.rows[i])]
        hits = len(rows) - len(missed)
        if len(missed):
            floor = float(self._truth.floors[i])
            hits += int((self._exact.similarities_of(self._truth.queries[i], missed) >= floor - TIE * abs(floor)).sum())
        return hits / self._truth.count


def exact_answers(embeddings: FloatArray, scale: FloatArray | None, queries: FloatArray, count: int, progress: Progress | None = None) -> Truth:
    """The `count` (<= N) best rows of every query: by inner product, or by cosine where `scale`, the norms [N], is given. Blocked over N: needs some
    200 MB.

    Advances the current task of `progress` by N in all."""
    directions = queries if scale is None else np.stack([unit(query) for query in queries])
    best = np.full((len(queries), count), -np.inf, np.float32)
    rows = np.zeros((len(queries), count), np.int64)
    size = max(count, BLOCK_PRODUCTS // len(queries))
    for start in range(0, len(embeddings), size):
        block = np.asarray(embeddings[start : start + size])
        products = directions @ block.T
        if scale is not None:
            products /= scale[start : start + size]
        for i, similarities in enumerate(products):
            _keep_best(best[i], rows[i], similarities, start)
        if progress is not None:
            progress.advance(len(block))
    return Truth(queries, rows, best.min(axis=1))


def _keep_best(best: FloatArray, rows: RowArray, similarities: FloatArray, start: int) -> None:
    """Replace `best` and `rows`, in place, by the best of them and of a block that starts at row `start`."""
    hits = np.flatnonzero(similarities > best.min())
    if not len(hits):
        return
    values = np.concatenate((best, similarities[hits]))
    found = np.concatenate((rows, hits + start))
    kept = np.argpartition(values, len(hits))[len(hits) :]
    best[:], rows[:] = values[kept], found[kept]


def efforts(count: int, element_count: int) -> list[int]:
    """The rungs of effort for `count` candidates from an index of so many elements: from `count` on, ascending."""
    cap = min(element_count, max(EFFORT_CAP, WIDEST_EFFORT * count))
    rungs = [count]
    while rungs[-1] < cap:
        rungs.append(min(cap, math.ceil(rungs[-1] * LADDER_STEP)))
    return rungs


def tune(probe: Probe, rungs: list[int], recall: float, progress: Progress) -> tuple[Measured | None, list[Measured]]:
    """(the measured least effort that promises `recall`, or None when no rung does; everything that was measured, by effort)."""
    curve: list[Measured] = []
    progress.start("tune the search effort", len(rungs))
    for rung in rungs:
        curve.append(probe.measure(rung))
        progress.advance(1)
        if curve[-1].promised >= recall:
            break
    progress.advance(len(rungs) - len(curve))
    if curve[-1].promised < recall:
        return None, curve
    enough = curve[-1]
    too_little = curve[-2].effort if len(curve) > 1 else enough.effort
    while enough.effort - too_little > max(1.0, FINENESS * enough.effort):
        between = probe.measure((enough.effort + too_little) // 2)
        curve.append(between)
        if between.promised >= recall:
            enough = between
        else:
            too_little = between.effort
    return enough, sorted(curve, key=lambda point: point.effort)


def tune_fewer(probe: Probe, counts: list[int], ef: int, recall: float, progress: Progress) -> list[tuple[int, int]]:
    """(count, the least effort below `ef` that promises `recall` for so many), counts and efforts ascending; without those that need `ef` itself.

    No effort is below the count and as many as may be equal to the last one found: who of them is shown is for their ids to say.
    """
    found: list[tuple[int, int]] = []
    progress.start("tune the search effort for fewer candidates", len(counts))
    for count in counts:
        progress.advance(1)
        least = max(count + most_copies(probe.described.m), found[-1][1] if found else 0)
        rungs = [rung for rung in efforts(least, probe.described.indexed_count) if rung < ef]
        enough = tune(probe.of_fewer(count), rungs, recall, SILENT)[0] if rungs else None
        if enough is not None:
            found.append((count, enough.effort))
    return found
