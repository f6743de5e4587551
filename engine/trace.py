"""The wrapper around every stage: timing, counting, the row law and the list of rungs taken, so that stage authors write no telemetry."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

from domain.candidates import Ranked
from domain.deadline import Clock
from domain.errors import StageFailure
from domain.slate import Degradation, DegradationReason, Stage, StageRecord

Output = TypeVar("Output")


class Trace:
    """What happened to one request so far. Belongs to the thread of the request; made anew for each.

    rank_work_s: processor time of the ranker's calls, as who makes them adds up.
    """

    __slots__ = ("_clock", "_started_s", "degradations", "entered", "rank_work_s", "records", "worked_s")

    def __init__(self, clock: Clock, entered: int = 0, worked_s: float = 0.0) -> None:
        """entered: how many requests had come until now, this one included. worked_s: processor time of the thread at the start of this one."""
        self._clock, self.entered, self.worked_s, self.rank_work_s = clock, entered, worked_s, 0.0
        self._started_s = clock()
        self.records: list[StageRecord] = []
        self.degradations: list[Degradation] = []

    def run(self, stage: Stage, input_count: int, work: Callable[[], Output], count: Callable[[Output], int]) -> Output:
        """Run one stage and record how long it took and how many rows came out. What it raises goes through, unrecorded."""
        started_s = self._clock()
        output = work()
        self.records.append(StageRecord(stage, self._clock() - started_s, input_count, count(output)))
        return output

    def elapsed_s(self) -> float:
        """Seconds since the trace was made."""
        return self._clock() - self._started_s

    def duration_s(self, stage: Stage) -> float:
        """How long a stage took; 0 when it has not run."""
        for record in self.records:
            if record.stage is stage:
                return record.duration_s
        return 0.0

    def degrade(self, stage: Stage, reason: DegradationReason, wanted_count: int, served_count: int) -> None:
        """Name a rung that was taken instead of the full work."""
        self.degradations.append(Degradation(stage, reason, wanted_count, served_count))


def check_row_law(ranked: Ranked, given: Sized, top_count: int) -> None:
    """A ranker returns as many scores as it got rows, and enough of the order. Raises StageFailure."""
    wanted = len(given)
    if len(ranked) != wanted or len(ranked.scores) != wanted:
        raise StageFailure(f"the ranker was given {wanted} rows and returned {len(ranked.scores)} scores")
    if not min(top_count, wanted) <= len(ranked.order) <= wanted:
        raise StageFailure(f"the ranker ordered {len(ranked.order)} of {wanted} rows, {min(top_count, wanted)} were wanted")
