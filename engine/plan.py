"""The planner: what one request can afford of the time left, and of the processor time that it is allowed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.deadline import Clock, Deadline
from domain.errors import DeadlinePassed
from domain.slate import DegradationReason, Plan, Stage
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.load import Load
from engine.trace import Trace

LEAST_RANKED_COUNT = 2  # ranking one candidate changes nothing
LEAST_CHUNK_COUNT = 8  # each further native call has its fixed cost: fewer candidates are not worth it
MORE_CAUTION = 2.0  # margins of every chunk after the first: several of them must not add up to a risk of more than one in a hundred
CALL_S = 0.010  # processor seconds of one native call while time is short: nothing can stop it
FIRST_CALL_S = 0.005  # of the first one where there is time for all of them, but reason to look up from it
LEAVING_SHARE = 0.05  # of the callers left lately: with that many, what ranking goes on for nobody costs as much as a second call
STALL = 10.0  # a ranker may become so many times slower; who has time for that need not be asked after 5 ms whether it has
WATCHED = 4  # of so many requests one tells what its stages took, but for long rankings, which all do: that changes seldom, and telling has its cost
CALL_OVERHEAD = 0.2  # but no shorter than that its fixed part is this share of it


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the requests of one profile. Thread-safe: it reads what `costs` has learned and how many requests run, and keeps nothing itself.

    work_clock: the processor time of the calling thread, in seconds; the wall clock where the work is done elsewhere, on a GPU.
    Laws (tests/unit/engine/test_plan.py): more time, or a larger allowance, never plans fewer candidates; what is planned to be ranked surely fits.
    """

    costs: CostModel
    load: Load = field(default_factory=Load)
    work_clock: Clock = time.thread_time

    def begin(self, wanted_count: int, page_size: int, exact: bool, terms: Terms) -> Plan:
        """The plan before retrieval. Raises DeadlinePassed when a page in similarity order is not expected to be ready in time, grace included."""
        left_s, running = terms.deadline.remaining_s(), max(1, self.load.count)
        costs, retrieve = self.costs, self.costs.of_stage_1(exact)
        sure_s = self._rest_s(running) + retrieve.sure(wanted_count, running) + costs.rank.sure(wanted_count, running)
        unlimited = terms.allowance_s == math.inf
        if sure_s <= left_s and (unlimited or self._total(wanted_count, wanted_count, exact) <= terms.allowance_s):
            return Plan(wanted_count, wanted_count, left_s, sure_s, running)

        spare_s = left_s - self._rest_s(running)
        # The rest of the time will mostly be more than what is sure: candidates that could then be ranked are worth retrieving.
        timely = widest(wanted_count, lambda n: retrieve.sure(n, running) + costs.rank.typical(n, running) <= spare_s)
        allowed = wanted_count if unlimited else widest(wanted_count, lambda n: self._total(n, n, exact) <= terms.allowance_s)
        least_s = costs.rest.typical(1, running) + retrieve.typical(page_size, running)
        if timely < page_size and least_s > left_s + terms.deadline.grace_s:
            retrieve.starved = True
            raise _too_late(left_s, least_s)
        count = min(wanted_count, max(page_size, min(timely, allowed)))
        reason = DegradationReason.OVERLOAD if allowed < timely else DegradationReason.DEADLINE
        sure_s = self._rest_s(running) + retrieve.sure(count, running)
        return Plan(count, min(timely, allowed, count), left_s, sure_s, running, reason, allowed)

    def again(self, plan: Plan, kept_count: int, exact: bool, terms: Terms) -> Plan:
        """The plan after retrieval, with the true time left and `kept_count` candidates to rank."""
        left_s, running = terms.deadline.remaining_s(), max(1, self.load.count)
        rank, rest_s = self.costs.rank, self._rest_s(running)
        slower = rank.slowdown(terms.deadline.clock()) if rank.under_way else 1.0
        sure_s = rest_s + slower * rank.sure(kept_count, running)
        allowed = kept_count
        if terms.allowance_s != math.inf:
            allowed = widest(kept_count, lambda n: self._total(plan.retrieve_count, n, exact) <= terms.allowance_s)
        if sure_s <= left_s and allowed == kept_count:
            return Plan(plan.retrieve_count, kept_count, left_s, sure_s, running, plan.reason, allowed)

        timely = widest(kept_count, lambda n: rest_s + slower * rank.sure(n, running) <= left_s)
        count = min(timely, allowed)
        if count < min(LEAST_RANKED_COUNT, kept_count):
            count = 0
            rank.starved = rank.starved or timely <= allowed
        sure_s = rest_s + slower * rank.sure(count, running)
        reason = DegradationReason.OVERLOAD if allowed < timely else DegradationReason.DEADLINE
        return Plan(plan.retrieve_count, count, left_s, sure_s, running, reason, allowed)

    def next_chunk(self, plan: Plan, done_count: int, kept_count: int, deadline: Deadline) -> int:
        """How many candidates to rank in the next native call, after `done_count` of `kept_count`; 0: stop here."""
        rank, running = self.costs.rank, plan.running_count
        count = plan.rank_count
        if done_count == 0 and count == kept_count:
            return count if rank.typical(count) <= FIRST_CALL_S or self._calm(plan) else self._in_one_call(count, FIRST_CALL_S)
        if done_count:
            most = min(kept_count, plan.allowed_count) - done_count
            spare_s = deadline.remaining_s() - self._rest_s(running)
            count = widest(most, lambda n: rank.sure(n, running, MORE_CAUTION) <= spare_s)
            if count < min(most, LEAST_CHUNK_COUNT):
                return 0
            if count == most and plan.rank_count == kept_count:
                return count  # as planned from the beginning: each further call would cost its fixed part for nothing
        return self._in_one_call(count, CALL_S)

    def _calm(self, plan: Plan) -> bool:
        """Whether nothing speaks for looking at the clock or the caller during the ranking. A second call costs: 2 ms where one takes 30."""
        return self.load.left_share < LEAVING_SHARE and plan.remaining_s >= STALL * plan.sure_s

    def _in_one_call(self, count: int, call_s: float) -> int:
        """How many of `count` to rank at once, so that it takes about `call_s`."""
        rank = self.costs.rank
        return min(count, max(LEAST_CHUNK_COUNT, widest(count, lambda n: rank.typical(n) <= max(call_s, rank.fixed_s / CALL_OVERHEAD))))

    def watch(self, entered: int, exact: bool) -> Clock | None:
        """The clock for the work of the request that came as number `entered`; None for one from which nothing but its ranking is learned."""
        return None if entered % WATCHED and not self.costs.of_stage_1(exact).starved else self.work_clock

    def learn(self, trace: Trace, plan: Plan, exact: bool) -> float:
        """Tell the cost model what the request took, which `plan` began; the ranker is observed call by call. Returns the whole time in seconds."""
        elapsed_s = trace.elapsed_s()
        if not trace.watched:
            return elapsed_s
        retrieve_s, retrieve_work_s = trace.duration_s(Stage.RETRIEVE), trace.worked_s(Stage.RETRIEVE)
        self.costs.of_stage_1(exact).observe(plan.retrieve_count, plan.running_count, retrieve_s, retrieve_work_s)
        rest_s = elapsed_s - retrieve_s - trace.duration_s(Stage.RANK)
        rest_work_s = trace.total_work_s() - retrieve_work_s - trace.worked_s(Stage.RANK)
        self.costs.rest.observe(1, plan.running_count, rest_s, rest_work_s)
        return elapsed_s

    def _rest_s(self, running: int) -> float:
        return self.costs.rest.sure(1, running)

    def _total(self, retrieve_count: int, rank_count: int, exact: bool) -> float:
        """Processor seconds of the whole request: the allowance is a share of the processor, not a time limit, so load and spread do not count."""
        costs = self.costs
        return costs.rest.typical(1) + costs.of_stage_1(exact).typical(retrieve_count) + costs.rank.typical(rank_count)


def _too_late(left_s: float, least_s: float) -> DeadlinePassed:
    text = f"{left_s * 1e3:.3g} ms are left, and similarity order alone takes about {least_s * 1e3:.3g} ms; allow more time"
    return DeadlinePassed(text, {"stage": "retrieve", "left_ms": f"{left_s * 1e3:.3g}", "least_ms": f"{least_s * 1e3:.3g}"})


def widest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest n from 0 to `most` that fits, where everything below one that fits does too; 0 always fits."""
    if most <= 0 or fits(most):
        return max(0, most)
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
