"""What is noted around every stage: timing, counting, the row law and the list of rungs taken, so that stage authors write no telemetry."""

from __future__ import annotations

from collections.abc import Sized

from domain.candidates import Ranked
from domain.deadline import Clock
from domain.errors import StageFailure
from domain.slate import Degradation, DegradationReason, Stage, StageRecord


class Trace:
    """What happened to one request so far. Belongs to the thread of the request; made anew for each."""

    __slots__ = ("_begun_s", "_begun_work_s", "_clock", "_started_s", "_started_work_s", "_work_clock", "_work_s", "degradations", "records")

    def __init__(self, clock: Clock, work_clock: Clock | None = None) -> None:
        """work_clock: processor time of the thread, for requests from which something is learned; it costs a system call each time."""
        self._clock, self._work_clock = clock, work_clock
        self._started_s = self._begun_s = clock()
        self._started_work_s = self._begun_work_s = work_clock() if work_clock else 0.0
        self.records: list[StageRecord] = []
        self.degradations: list[Degradation] = []
        self._work_s: dict[Stage, float] = {}

    @property
    def watched(self) -> bool:
        """Whether processor time is noted."""
        return self._work_clock is not None

    def begin(self) -> None:
        """A stage begins here; without it, it began where the last one ended."""
        self._begun_s = self._clock()
        if self._work_clock is not None:
            self._begun_work_s = self._work_clock()

    def end(self, stage: Stage, input_count: int, output_count: int) -> None:
        """It is over: record how long it took. One that raises stays unrecorded."""
        begun_s, self._begun_s = self._begun_s, self._clock()
        self.records.append(StageRecord(stage, self._begun_s - begun_s, input_count, output_count))
        if self._work_clock is not None:
            begun_work_s, self._begun_work_s = self._begun_work_s, self._work_clock()
            self._work_s[stage] = self._begun_work_s - begun_work_s

    def worked_s(self, stage: Stage) -> float:
        """Processor time of a stage; 0 when it has not run, or is not watched."""
        return self._work_s.get(stage, 0.0)

    def total_work_s(self) -> float:
        """Processor time since the trace was made; 0 where it is not watched."""
        return self._work_clock() - self._started_work_s if self._work_clock is not None else 0.0

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
    wanted, scored, ordered = len(given), len(ranked.scores), len(ranked.order)
    if scored != wanted or len(ranked) != wanted:
        raise StageFailure(f"the ranker was given {wanted} rows and returned {scored} scores")
    if not min(top_count, wanted) <= ordered <= wanted:
        raise StageFailure(f"the ranker ordered {ordered} of {wanted} rows, {min(top_count, wanted)} were wanted")
