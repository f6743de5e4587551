"""What one worker counts per request. All of it together costs a few microseconds: it runs on every call."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from domain.diagnosis import CostLine
from domain.slate import DegradationReason, Recommended
from server.telemetry.board import (
    BUCKET_COUNT,
    COST_PARTS,
    COST_STAGES,
    COSTS,
    CREATORS,
    DEGRADATIONS,
    DURATION,
    DURATION_BOUNDS_S,
    HISTOGRAM_SIZE,
    IN_FLIGHT,
    PLANNED,
    RANKED,
    REMOVED,
    REQUESTS,
    RESERVED,
    RETRIEVED,
    SERVED,
    STAGE_DURATION,
    UNLOGGED,
)


class Meter:
    """Counts into one row of the board. Safe from any thread of the worker."""

    def __init__(self, row: memoryview[float]) -> None:
        self._row = row
        self._lock = threading.Lock()
        row[IN_FLIGHT] = 0.0  # whoever had this place before has died

    def begin(self) -> None:
        """A call has reached a request thread."""
        with self._lock:
            self._row[IN_FLIGHT] += 1.0

    def end(self, code: int, duration_s: float, answer: Recommended | None, logged: bool) -> None:
        """The call is over with a canonical code after `duration_s`."""
        row = self._row
        with self._lock:
            row[IN_FLIGHT] -= 1.0
            row[REQUESTS + code] += 1.0
            self._observe(DURATION, duration_s)
            if not logged:
                row[UNLOGGED] += 1.0
            if answer is not None:
                self._count(answer)

    def tell_costs(self, lines: Sequence[CostLine]) -> None:
        """What the worker has learned about its stages; replaces what was told before."""
        for line in lines:
            name = "rest" if line.stage is None else "_".join(part for part in (line.stage.name.lower(), line.method) if part)
            start = COSTS + COST_STAGES.index(name) * len(COST_PARTS)
            for place, value in enumerate((line.fixed_s, line.per_row_s, line.sure_s)):
                self._row[start + place] = value

    def _observe(self, start: int, duration_s: float) -> None:
        self._row[start + bisect_left(DURATION_BOUNDS_S, duration_s)] += 1.0
        self._row[start + BUCKET_COUNT] += duration_s

    def _count(self, answer: Recommended) -> None:
        row = self._row
        for record in answer.records:
            self._observe(STAGE_DURATION + (record.stage - 1) * HISTOGRAM_SIZE, record.duration_s)
        row[CREATORS + RETRIEVED] += answer.retrieved_count
        row[CREATORS + PLANNED] += answer.plan.rank_count
        row[CREATORS + RANKED] += answer.ranked_count
        row[CREATORS + SERVED] += len(answer.slate)
        row[CREATORS + RESERVED] += answer.slate.reserve_count
        if len(answer.removed):
            for reason, count in enumerate(np.bincount(answer.removed.reasons).tolist()[1:]):
                row[REMOVED + reason] += count
        for rung in answer.degradations:
            row[DEGRADATIONS + (rung.stage - 1) * len(DegradationReason) + rung.reason - 1] += 1.0
