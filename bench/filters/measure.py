"""Recall against plain NumPy and latency in interleaved rounds, case by case."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.filters.asking import Answered, message
from bench.filters.cases import UNFILTERED, Case
from bench.filters.world import ASKER_COUNT, Catalogue
from bench.question import PAGE_SIZE, creator_id
from bench.remote import Remote
from domain.arrays import BoolArray, FloatArray
from domain.stages import Progress

WARM_UP = 3  # requests before each block: the one before it left the caches to another case
TIE = 1e-6
"""A creator this close to the last of the exact answer is as good as it."""


@dataclass(slots=True)
class Line:
    """What was measured of one case. round_ms: the median of each round; recall: mean and least over the askers; short: answers with fewer than
    min(asked, allowed)."""

    case: Case
    allowed_share: float = 0.0
    recall: float = 1.0
    least_recall: float = 1.0
    short: int = 0
    methods: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0
    degraded: int = 0
    round_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median over rounds of their medians."""
        return statistics.median(self.round_ms)


def measure(cases: Sequence[Case], catalogue: Catalogue, asker: Remote, candidate_count: int, rounds: int, progress: Progress) -> list[Line]:
    """Recall first, then latency: every case once per round, in turn."""
    lines = [Line(case) for case in cases]
    progress.start("recall", len(lines))
    for line in lines:
        _measure_recall(line, catalogue, asker, candidate_count)
        progress.advance(1)
    blocks = [_requests(case, catalogue, PAGE_SIZE, candidate_count) for case in cases]
    progress.start("latency", rounds * len(lines))
    for number in range(rounds):
        shift = number % len(lines)  # nobody always follows the same neighbour
        for line, block in [*zip(lines, blocks, strict=True)][shift:] + [*zip(lines, blocks, strict=True)][:shift]:
            asker(block[:WARM_UP], False)
            latencies, answers = asker(block, False)
            line.round_ms.append(float(np.median(latencies)))
            _count_faults(line, answers)
            progress.advance(1)
    return lines


def ratios(line: Line, lines: Sequence[Line]) -> list[float]:
    """Latency in units of the unfiltered requests' of the same round."""
    unfiltered = next(other for other in lines if other.case.name == UNFILTERED)
    return [mine / theirs for mine, theirs in zip(line.round_ms, unfiltered.round_ms, strict=True)]


def _requests(case: Case, catalogue: Catalogue, page_size: int, candidate_count: int) -> list[bytes]:
    return [message(asker, case.wish(catalogue, asker).message(), page_size, candidate_count) for asker in range(ASKER_COUNT)]


def _measure_recall(line: Line, catalogue: Catalogue, asker: Remote, count: int) -> None:
    """A page as long as the list of candidates shows all of them."""
    _, answers = asker(_requests(line.case, catalogue, count, count), True)
    found, shares = [], []
    for number, answer in enumerate(answers):
        allowed = line.case.wish(catalogue, number).allowed(catalogue)
        similarities = catalogue.units @ catalogue.askers[number]
        rows = [int(name[1:]) for name in answer.ids]
        assert [creator_id(row) for row in rows] == list(answer.ids)
        found.append(recall_of(rows, similarities, allowed, count))
        line.short += len(rows) != min(count, int(allowed.sum())) or not allowed[rows].all()
        shares.append(float(allowed.mean()))
    line.recall, line.least_recall = float(np.mean(found)), float(np.min(found))
    line.allowed_share = float(np.mean(shares))
    line.methods = Counter(answer.method for answer in answers)
    _count_faults(line, answers)


def recall_of(rows: Sequence[int], similarities: FloatArray, allowed: BoolArray, count: int) -> float:
    """The share of the exact answer among the allowed that is in `rows`; 1 where there is nothing to find. Forbidden rows count as missed."""
    wanted = min(count, int(allowed.sum()))
    if not wanted:
        return 1.0
    among = similarities[allowed]
    floor = np.partition(among, len(among) - wanted)[len(among) - wanted]
    good = [row for row in set(rows) if allowed[row] and similarities[row] >= floor - TIE]
    return min(len(good), wanted) / wanted


def _count_faults(line: Line, answers: Sequence[Answered]) -> None:
    line.errors += sum(answer.status != "OK" for answer in answers)
    line.degraded += sum(answer.degraded for answer in answers)
