"""Measures two forms of one ranker side by side: on this machine, in this run, call by call in turn.

By the CPU time of the calling thread, on which all of a call runs: what else the machine does would take longer calls more often than short ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from domain.candidates import Candidates
from domain.deadline import Clock, Deadline
from domain.request import User
from ranking.onnx_ranker import OnnxRanker

CANDIDATE_COUNT = 500  # what issue figures and pages are about
TOP_COUNT = 20
LEAST_ROUNDS, MOST_ROUNDS = 15, 200
BUDGET_S = 1.0  # for both forms together
SLOWER = 1.03  # beyond what two runs of the same form differ by


@dataclass(frozen=True)
class Measured:
    """Milliseconds of CPU per request, on one thread: medians, and the quickest calls."""

    candidates: int
    rounds: int
    whole_ms: float
    served_ms: float
    least_whole_ms: float
    least_served_ms: float

    @property
    def slower(self) -> bool:
        """Whether the folded form is no gain."""
        return self.least_served_ms > SLOWER * self.least_whole_ms

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {name: round(value, 4) for name, value in asdict(self).items()} | {"whole_to_served": round(self.whole_ms / self.served_ms, 3)}


def measure(whole: OnnxRanker, served: OnnxRanker, requests: Sequence[tuple[User, Candidates]], clock: Clock) -> Measured:
    """Time the two forms in turn, over all requests in turn. clock: the CPU time of this thread, in seconds."""
    rankers = (whole, served)
    for ranker in rankers:
        for user, candidates in requests[:3]:
            _time_s(ranker, user, candidates, clock)
    times: tuple[list[float], list[float]] = ([], [])
    started_s = clock()
    while len(times[0]) < LEAST_ROUNDS or (len(times[0]) < MOST_ROUNDS and clock() - started_s < BUDGET_S):
        user, candidates = requests[len(times[0]) % len(requests)]
        for place in (0, 1) if len(times[0]) % 2 else (1, 0):  # who comes second finds the candidates' rows in the cache
            times[place].append(_time_s(rankers[place], user, candidates, clock))
    whole_ms, served_ms = (np.array(own) * 1e3 for own in times)
    return Measured(len(requests[0][1]), len(whole_ms), median(whole_ms), median(served_ms), float(whole_ms.min()), float(served_ms.min()))


def _time_s(ranker: OnnxRanker, user: User, candidates: Candidates, clock: Clock) -> float:
    started_s = clock()
    ranker.rank(user, candidates, min(TOP_COUNT, len(candidates)), {}, Deadline.never(clock))
    return clock() - started_s
