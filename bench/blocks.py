"""One block of the run: the same requests, in the same order, put to one contestant; and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.answers import Answer
from domain.arrays import AnyArray, RowArray


@dataclass(frozen=True, slots=True)
class Block:
    """What to ask. user_rows: int64 [n], the listed users in order. warm_up: how many of them are asked first, unmeasured.

    keep_answers: bring back what was answered to the first so many requests.
    """

    user_rows: RowArray
    in_flight: int
    warm_up: int = 100
    keep_answers: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a block cost. latencies_ms: float64 [n], one per request, in the order of the block.

    cpu_ms: of the contestant's process tree (or thread, in process) for the whole block. failures: gRPC status name -> count.
    degraded: answers that named a rung. client_cpu_ms: what the load generator used.
    """

    wall_s: float
    cpu_ms: float
    latencies_ms: AnyArray
    failures: Mapping[str, int] = field(default_factory=dict)
    degraded: int = 0
    client_cpu_ms: float = 0.0
    answers: tuple[Answer, ...] = ()

    @property
    def cpu_ms_per_request(self) -> float:
        """The figure to compare."""
        return self.cpu_ms / len(self.latencies_ms)

    @property
    def requests_per_s(self) -> float:
        """How many calls were answered with OK per second."""
        return (len(self.latencies_ms) - sum(self.failures.values())) / self.wall_s

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latencies."""
        return float(np.percentile(self.latencies_ms, percent))
