"""The ranking stage with its rungs: all candidates, fewer, none; the ranker's scores, or similarity order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import get_ident

import numpy as np

from domain.arrays import RowArray
from domain.candidates import Candidates, Ranked
from domain.deadline import Deadline
from domain.errors import RequestError
from domain.request import User
from domain.slate import DegradationReason, Plan, Stage
from domain.stages import Ranker
from domain.terms import Terms
from engine.chunks import Chunks
from engine.plan import Planner
from engine.trace import Trace, check_row_law

SHORT_S = 0.001  # of calls shorter than that only those of watched requests are told to the cost model: telling costs 10 us of a served request
ATTENTION_COUNT = 8  # but so many that follow one which took longer than it should

OnFailure = Callable[[Stage, Exception], None]
"""Is told about failures that a rung caught; must not raise. Called on the thread of the request."""


@dataclass(frozen=True, slots=True)
class RankWithin:
    """Ranks as many candidates as the time left allows, by one objective, best similarity first. Thread-safe.

    ranker: the full work. fallback: similarity order, which cannot fail. id_ranks: of the catalogue's rows, to break ties.
    fell_back: the ranker runs on another execution provider than the one that was there; every answer says so. form: the ranker's, for people.
    """

    ranker: Ranker
    fallback: Ranker
    planner: Planner
    objective: Mapping[str, float]
    id_ranks: RowArray
    on_failure: OnFailure
    fell_back: bool = False
    form: str = ""

    def rank(self, user: User, kept: Candidates, top_count: int, plan: Plan, terms: Terms, trace: Trace) -> tuple[Ranked, int]:
        """(all of `kept` in order, how many of the first were ranked). Whatever was not scored is a degradation in `trace`.

        One native call ranks what takes it a few milliseconds, or what nothing is likely to stop. Otherwise it is done in chunks with a look at the
        clock between: on a machine that turns out slower, or for a caller that leaves, at most one chunk is too much. Raises RequestError only.
        """
        chunks, kept_count = Chunks(kept), len(kept)
        try:
            while chunks.ranked_count < kept_count and (count := self.planner.next_chunk(plan, chunks.ranked_count, kept_count, terms.deadline)):
                if chunks.ranked_count:
                    terms.check_active("rank the next chunk")
                chunks.add(self._run(user, chunks.next(count), top_count, plan, terms.deadline, trace.watched))
        except RequestError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a ranker raises, the answer degrades and says so
            self.on_failure(Stage.RANK, failure)
            trace.degrade(Stage.RANK, DegradationReason.RANKER_FAILED, kept_count, chunks.ranked_count)
        else:
            if chunks.ranked_count < kept_count:
                reason = DegradationReason.OVERLOAD if plan.allowed_count <= chunks.ranked_count else plan.reason
                trace.degrade(Stage.RANK, reason, kept_count, chunks.ranked_count)
        if not chunks.ranked_count:
            return self.fallback.rank(user, kept, top_count, self.objective, terms.deadline), 0
        ranked = chunks.joined(self.id_ranks)
        self._name_rungs(ranked, chunks.ranked_count, trace)
        return ranked, chunks.ranked_count

    def _run(self, user: User, chunk: Candidates, top_count: int, plan: Plan, deadline: Deadline, watched: bool) -> Ranked:
        """One native call, which the cost model hears of."""
        cost, clock, thread, count = self.planner.costs.rank, deadline.clock, get_ident(), len(chunk)
        work_clock = self.planner.work_clock if watched or cost.attention or cost.typical(count) > SHORT_S else None
        started_s, worked_s = clock(), work_clock() if work_clock else 0.0
        cost.under_way[thread] = (started_s, plan.sure_s)
        try:
            ranked = self.ranker.rank(user, chunk, top_count, self.objective, deadline)
        finally:
            del cost.under_way[thread]
        if work_clock:
            work_s = work_clock() - worked_s
            cost.observe(count, plan.running_count, clock() - started_s, work_s)
        elif clock() - started_s > plan.sure_s:
            cost.attention = ATTENTION_COUNT
        check_row_law(ranked, chunk, top_count)
        return ranked

    def _name_rungs(self, ranked: Ranked, count: int, trace: Trace) -> None:
        """What is less than it should be about the scores of the first `count`, which there are."""
        if self.fell_back:
            trace.degrade(Stage.RANK, DegradationReason.FALLBACK_PROVIDER, count, count)
        scores = ranked.scores[:count]
        if not ranked.all_finite and math.isnan(scores.min()):  # which it is where any score is
            finite_count = int(np.count_nonzero(np.isfinite(scores)))
            trace.degrade(Stage.RANK, DegradationReason.RANKER_NONFINITE, count, finite_count)
