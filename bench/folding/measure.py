"""Puts the same random requests to a ranker in all its forms in turns, and compares what comes back.

Milliseconds are those of the thread's CPU: on a core of its own they are what a clock shows, and on a shared one they leave out what others do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from time import thread_time_ns
from typing import Any

import numpy as np

from bench.assembly import Ask
from bench.folding.catalogue import SEED, Catalogue
from bench.folding.contestants import TOP_COUNT, Built, BuiltRanker, ExportedRanker, asker_of, candidates_of
from bench.question import CANDIDATE_COUNT
from bench.rankers.columns import CODE_COUNT, is_code, width_of
from bench.rankers.shape import Shape
from domain.arrays import AnyArray, FloatArray, RowArray
from domain.candidates import Ranked
from domain.stages import Progress
from ranking.agree import ndcg

BLOCK_COUNT = 10  # requests that one contestant answers in a row: its own weights and buffers are in the cache, not what the others left there
WARM_UP_COUNT = 3 * BLOCK_COUNT
ROUNDING = 2e-6  # scores closer than this, relative to the largest of the request, are one score: float32 sums in another order

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of one shape; form and bytes_per_creator: what the build made of it.

    exported_ms, whole_ms, served_ms: CPU milliseconds, float64 [requests], in the same order.
    identical: requests whose best 20 are the same creators in the same order as of the exported model. tied: others in which only creators changed
    places whose scores are equal within ROUNDING. largest_difference: of two scores of a creator, relative to the largest score of its request.
    mean_ndcg: of the best 20 by the exported model's scores. narrow: whether a narrowed form was asked for, which is judged by it.
    """

    name: str
    shape: Shape
    form: str
    bytes_per_creator: int
    exported_ms: AnyArray
    whole_ms: AnyArray
    served_ms: AnyArray
    identical: int
    tied: int
    largest_difference: float
    mean_ndcg: float
    narrow: bool = False

    @property
    def wanted_speedup(self) -> float | None:
        """How many times faster than whole it has to be; None where no figure is named."""
        return self.shape.least_narrowed if self.narrow else self.shape.least_speedup

    @property
    def speedup(self) -> float:
        """How many times faster than whole, of medians; of the two ways to run it whole the faster one counts."""
        return float(min(np.median(self.exported_ms), np.median(self.whole_ms)) / np.median(self.served_ms))


@dataclass
class _Agreement:
    """What the requests so far have shown."""

    identical: int = 0
    tied: int = 0
    largest_difference: float = 0.0
    gains: list[float] = field(default_factory=list)

    def add(self, scores: FloatArray, ranked: Ranked, id_ranks: RowArray) -> None:
        """scores: of the exported model; ranked: what is served."""
        wanted = np.lexsort((id_ranks, -scores))[:TOP_COUNT]
        same, alike = same_best(scores, ranked.order, wanted)
        self.gains.append(ndcg(scores, ranked.order, wanted))
        self.identical += same
        self.tied += alike and not same
        self.largest_difference = max(self.largest_difference, float(np.abs(ranked.scores - scores).max() / np.abs(scores).max()))


def measure(name: str, built: Built, catalogue: Catalogue, request_count: int, progress: Progress) -> Line:
    """One shape. Contestants answer BLOCK_COUNT requests in a row, as who serves does, and take turns at being first."""
    exported, whole, served = ExportedRanker(built, catalogue), BuiltRanker(built, catalogue, whole=True), BuiltRanker(built, catalogue, whole=False)
    spent_ms, agreement = np.empty((3, request_count)), _Agreement()
    progress.start(f"{built.shape.title}: {request_count} requests", request_count)
    asks = _asks(built, catalogue, request_count + WARM_UP_COUNT)
    for number in range(-WARM_UP_COUNT, request_count, BLOCK_COUNT):
        block = list(islice(asks, min(BLOCK_COUNT, request_count - number)))
        asked = [(asker_of(ask, catalogue), candidates_of(ask)) for ask in block]
        calls: tuple[list[Call], ...] = (
            [partial(exported.rank, ask) for ask in block],
            [partial(whole.rank, *one) for one in asked],
            [partial(served.rank, *one) for one in asked],
        )
        times_ms, answers = _in_turn(calls, number // BLOCK_COUNT % len(calls))
        if number >= 0:
            spent_ms[:, number : number + len(block)] = times_ms
            for ask, (scores, _), ranked in zip(block, answers[0], answers[2], strict=True):
                agreement.add(scores, ranked, catalogue.creators.id_ranks[ask.rows])
            progress.advance(len(block))
    return Line(
        name,
        built.shape,
        built.description.form,
        built.bytes_per_creator,
        exported_ms=spent_ms[0],
        whole_ms=spent_ms[1],
        served_ms=spent_ms[2],
        identical=agreement.identical,
        tied=agreement.tied,
        largest_difference=agreement.largest_difference,
        mean_ndcg=float(np.mean(agreement.gains)),
        narrow=built.narrow,
    )


def _in_turn(calls: Sequence[Sequence[Call]], first: int) -> tuple[list[list[float]], list[list[Any]]]:
    """(CPU milliseconds, answers) of each contestant's calls, of whom the one at `first` begins."""
    times_ms: list[list[float]] = [[] for _ in calls]
    answers: list[list[Any]] = [[] for _ in calls]
    for place in (*range(first, len(calls)), *range(first)):
        for call in calls[place]:
            started_ns = thread_time_ns()
            answers[place].append(call())
            times_ms[place].append((thread_time_ns() - started_ns) / 1e6)
    return times_ms, answers


def same_best(scores: FloatArray, order: RowArray, wanted: RowArray) -> tuple[bool, bool]:
    """Whether `order`, positions of the best, is the one that is wanted by these scores: (exactly, but for scores equal within ROUNDING)."""
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
