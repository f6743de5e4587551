"""What one worker counts per request. All of it together costs a few microseconds: it runs on every call."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from domain.diagnosis import CostLine
from domain.slate import DegradationReason, Recommended
from server.admission.policy import Gauges
from server.telemetry.board import (
    BATCH_RATE,
    BUCKET_COUNT,
    COST_PARTS,
    COST_STAGES,
    COSTS,
    CREATORS,
    DEGRADATIONS,
    DURATION,
    DURATION_BOUNDS_S,
    HELD_BACK,
    HISTOGRAM_SIZE,
    IN_FLIGHT,
    INTERACTIVE_RATE,
    PLANNED,
    RANKED,
    REFUSALS,
    REMOVED,
    REQUESTS,
    RESERVED,
    RETRIEVED,
    RUN_LIMIT,
    SERVED,
    STAGE_DURATION,
    UNLOGGED,
    WAIT,
    WAITING,
    RefusalReason,
)


class Meter:
    """Counts into one row of the board. Safe from any thread of the worker."""

    def __init__(self, row: memoryview[float]) -> None:
        self._row = row
        self._lock = threading.Lock()
        row[IN_FLIGHT] = 0.0  # whoever had this place before has died
        self.show(Gauges())

    def begin(self, waited_s: float) -> None:
        """A call has reached a request thread, `waited_s` after its headers came."""
        with self._lock:
            self._row[IN_FLIGHT] += 1.0
            self._observe(WAIT, waited_s)

    def refuse(self, reason: RefusalReason) -> None:
        """A call was not worked on."""
        with self._lock:
            self._row[REFUSALS + reason] += 1.0

    def show(self, gauges: Gauges) -> None:
        """How the admission stands now."""
        row = self._row
        row[WAITING], row[RUN_LIMIT] = gauges.waiting, gauges.limit
        row[INTERACTIVE_RATE], row[BATCH_RATE] = gauges.interactive_per_s, gauges.batch_per_s
        row[HELD_BACK] = 1.0 - gauges.allowance_share

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
        row, slate = self._row, answer.slate
        for stage, duration_s, _, _ in answer.records:
            start = STAGE_DURATION + (stage - 1) * HISTOGRAM_SIZE
            row[start + bisect_left(DURATION_BOUNDS_S, duration_s)] += 1.0
            row[start + BUCKET_COUNT] += duration_s
        row[CREATORS + RETRIEVED] += answer.retrieved_count
        row[CREATORS + PLANNED] += answer.plan.rank_count
        row[CREATORS + RANKED] += answer.ranked_count
        served_count = len(slate.rows)
        row[CREATORS + SERVED] += served_count
        row[CREATORS + RESERVED] += len(slate.considered) - served_count
        reasons = answer.removed.reasons
        if len(reasons):
            for reason, count in enumerate(np.bincount(reasons).tolist()[1:]):
                row[REMOVED + reason] += count
        for rung in answer.degradations:
            row[DEGRADATIONS + (rung.stage - 1) * len(DegradationReason) + rung.reason - 1] += 1.0
