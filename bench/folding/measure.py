"""Puts the same random requests to both forms of a ranker in turns, and compares what comes back.

Milliseconds are those of the thread's CPU: on a core of its own they are what a clock shows, and on a shared one they leave out what others do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import thread_time_ns

import numpy as np

from bench.assembly import Ask
from bench.folding.catalogue import SEED, Catalogue
from bench.folding.contestants import TOP_COUNT, Built, ServedRanker, WholeRanker, candidates_of
from bench.question import CANDIDATE_COUNT
from bench.rankers.columns import CODE_COUNT, is_code, width_of
from bench.rankers.shape import Shape
from domain.arrays import AnyArray, FloatArray, RowArray
from domain.stages import Progress

WARM_UP_COUNT = 30
ROUNDING = 2e-6  # scores closer than this, relative to the largest of the request, are one score: float32 sums in another order


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of one shape; form and bytes_per_creator: what the build made of it.

    whole_ms, served_ms: CPU milliseconds, float64 [requests], in the same order.

    identical: requests whose best 20 are the same creators in the same order. tied: others in which only creators changed places whose scores are
    equal within ROUNDING. largest_difference: of two scores of a creator, relative to the largest score of its request.
    """

    name: str
    shape: Shape
    form: str
    bytes_per_creator: int
    whole_ms: AnyArray
    served_ms: AnyArray
    identical: int
    tied: int
    largest_difference: float

    @property
    def speedup(self) -> float:
        """How many times faster than whole, of medians."""
        return float(np.median(self.whole_ms) / np.median(self.served_ms))


def measure(name: str, built: Built, catalogue: Catalogue, request_count: int, progress: Progress) -> Line:
    """One shape. The two forms take turns at being first, so that neither always finds the cache warm."""
    whole, served = WholeRanker(built, catalogue), ServedRanker(built, catalogue)
    spent = np.empty((request_count, 2))
    identical, tied, largest = 0, 0, 0.0
    progress.start(f"{built.shape.title}: {request_count} requests", request_count)
    for number, ask in enumerate(_asks(built, catalogue, request_count + WARM_UP_COUNT), -WARM_UP_COUNT):
        user, candidates = served.asker(ask), candidates_of(ask)
        if number % 2:
            started = thread_time_ns()
            ranked = served.rank(user, candidates)
            middle = thread_time_ns()
            scores, _ = whole.rank(ask)
            times = (thread_time_ns() - middle, middle - started)
        else:
            started = thread_time_ns()
            scores, _ = whole.rank(ask)
            middle = thread_time_ns()
            ranked = served.rank(user, candidates)
            times = (middle - started, thread_time_ns() - middle)
        if number < 0:
            continue
        spent[number] = times
        same, alike = same_best(scores, ranked.order, catalogue.creators.id_ranks[ask.rows])
        identical, tied = identical + same, tied + (alike and not same)
        largest = max(largest, float(np.abs(ranked.scores - scores).max() / np.abs(scores).max()))
        progress.advance(1)
    return Line(name, built.shape, built.description.form, built.bytes_per_creator, spent[:, 0] / 1e6, spent[:, 1] / 1e6, identical, tied, largest)


def same_best(scores: FloatArray, order: RowArray, id_ranks: RowArray) -> tuple[bool, bool]:
    """Whether `order`, positions of the best 20, is that of `scores` with ties by id: (exactly, but for scores equal within ROUNDING)."""
    wanted = np.lexsort((id_ranks, -scores))[:TOP_COUNT]
    allowed = ROUNDING * np.abs(scores).max()
    alike = len(set(order.tolist())) == len(wanted) and bool((np.abs(scores[order] - scores[wanted]) <= allowed).all())
    return np.array_equal(order, wanted), alike


def _asks(built: Built, catalogue: Catalogue, count: int) -> Iterator[Ask]:
    """Random users, candidates from all over the catalogue, and whatever the model reads of the request."""
    rng = np.random.default_rng(SEED)
    for _ in range(count):
        yield Ask(
            int(rng.integers(len(catalogue.users))),
            rng.choice(len(catalogue.creators), CANDIDATE_COUNT, replace=False),
            np.sort(rng.uniform(-0.1, 0.9, CANDIDATE_COUNT).astype(np.float32))[::-1].copy(),
            {column: _sent(column, rng) for column in built.shape.columns if column.startswith("context.")},
        )


def _sent(column: str, rng: np.random.Generator) -> AnyArray:
    value: AnyArray = rng.integers(CODE_COUNT, size=()) if is_code(column) else rng.standard_normal(width_of(column), np.float32)
    return value
