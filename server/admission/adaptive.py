"""The policy that keeps a worker at its full rate of useful work, whatever comes (docs/adr/0012-admission.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from server.admission.arrival_rate import ArrivalRate
from server.admission.brown_out import line_share_s, newcomers_room_s, rate_share_s, standing_share_s, use
from server.admission.line import WaitingLine
from server.admission.policy import Costs, Gauges
from server.admission.reading_load import ReadingLoad
from server.admission.run_limit import RunLimit
from server.admission.short_budget import ShortBudget
from server.admission.ticket import Ticket

RATE_MEMORY_S = 0.5  # the line tells of a spike at once; this tells of what lasts
STANDING_S = 0.1  # a line that was never empty for so long is no burst any more
BURST = 5  # so many times `max_queue_s` may wait for that long
PATIENT = 10  # times `max_queue_s`: who allows that much is served in full until a line stands, at whatever rate calls come; it may stand for longer
CHANCE = 0.95  # of the processor at the floor: with more, a line that stands is no chance any more
LEAST_LEFT = 0.05  # of the processor is assumed for batch calls even where interactive ones take all of it
AIM = 0.5  # of what may stand: where a line that stands is brought back to
HELD = 0.75  # answers take up to a third longer than they are planned to, and what those who come meanwhile must get takes longer, too
SPENT = 0.5  # of what earlier calls saved goes to the next one: a little more for many is worth more than everything for few
LOOKED_AT = 8  # of those that wait, when their shares are worked out
GOOD_FOR_S = 0.02  # what follows from rates and costs, which take half a second to move, is worked out anew after that
FIRST_EDGE_S = 0.0003  # around an answer on its thread: decode, encode, gRPC; until it was measured
LEAST_FREE = 0.2  # of the processor is planned with, however much reading takes: somebody must be answered to find out that it takes less
MOST_EDGE_S = 0.005
SHORT_S = 0.0008  # two answers that take less than that may share a core: the polling thread is then woken less often in vain
HARDLY_MORE = 1.2  # than the least: answers that hardly rank may, too; of two that rank, each drives the other's weights out of the cache
PAUSE, MOST_PAUSE_S = 0.01, 0.001  # of what callers allow: they hardly notice, and refusals share wake-ups
EDGE_MEMORY = 32  # calls


@dataclass(frozen=True, slots=True)
class Limits:
    """What was set. cores: that this worker has for itself. floor: share of the full answer below which load alone makes none smaller. grace_s: how
    much later than its deadline the least answer may end before a call is given up.
    """

    cores: int
    most_waiting: int
    max_queue_s: float
    floor: float
    grace_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """What the rates of `made_s` leave to a call: its share of the processor, which may be negative, and the room that newcomers leave it."""

    made_s: float
    share_s: float
    room_s: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers were expected to take at `made_s`: full ones, the least useful ones, and the smallest that load alone may make. Seconds."""

    made_s: float
    full_s: float
    least_s: float
    floor_s: float


_NO_PRESSURE = Pressure(-math.inf, math.inf, math.inf)
_UNKNOWN = Expected(-math.inf, 0.0, 0.0, 0.0)


class AdaptivePolicy:
    """Smaller answers first, then fewer: `brown_out` says how small; who cannot be answered in time is refused on arrival.

    The numbers of one call are worked out from looks at what other threads change meanwhile: each may be off by one call, none is kept.
    """

    def __init__(self, costs: Costs, line: WaitingLine, running: RunLimit, reading: ReadingLoad, limits: Limits) -> None:
        self._costs = costs
        self._line = line
        self._running = running
        self._reading = reading
        self._limits = limits
        self._interactive, self._batch = ArrivalRate(RATE_MEMORY_S), ArrivalRate(RATE_MEMORY_S)
        self._budget = ShortBudget()
        self._edge_s = FIRST_EDGE_S
        self._refusing = [False, False]  # interactive, batch, by the last decision; while False, headers are let pass without a look
        self._batch_refused_s = -math.inf  # when a batch call was, last
        self._pressures = [_NO_PRESSURE, _NO_PRESSURE]  # interactive, batch
        self._last_expected = _UNKNOWN
        self._saved_s = [0.0, 0.0]  # of the shares of the same, what their calls could not use

    @property
    def refuses_batch(self) -> bool:
        """By the last decision about one."""
        return self._refusing[True]

    def open_to(self, now_s: float, deadline_s: float, batch: bool) -> bool:
        """Whether such a call would be taken; who does not say that it is batch is let in where an interactive one is."""
        if not self._refusing[batch] or self._fits(now_s, deadline_s, batch):
            return True
        if batch:
            self._batch.add(now_s)
            self._batch_refused_s = now_s
        else:
            self._add_unknown(now_s)
        return False

    def admits(self, now_s: float, ticket: Ticket) -> bool:
        """Whether it can be answered in time, and the line is short enough."""
        if ticket.batch:
            self._batch.add(now_s)
        else:
            self._interactive.add(now_s)
            self._budget.add(ticket.deadline_s - ticket.arrived_s)
        fits = self._fits(now_s, ticket.deadline_s, ticket.batch)
        self._refusing[ticket.batch] = not fits
        if ticket.batch and not fits:
            self._batch_refused_s = now_s
        return fits

    def reconsiders(self, now_s: float, deadline_s: float, batch: bool) -> bool:
        """The same question without counting the call again."""
        return self._fits(now_s, deadline_s, batch)

    def start(self, now_s: float, ticket: Ticket) -> bool:
        """Give it its share; False when not even the least answer fits any more."""
        left_s, expected = ticket.deadline_s - now_s, self._expected(now_s)
        waited = now_s - ticket.arrived_s > expected.least_s  # who came just now is the engine's to judge: it may know better than these costs
        ticket.allowance_s = self._allowance_s(now_s, ticket.batch)
        ticket.share_s = self._pressures[ticket.batch].share_s
        ticket.started_s = now_s
        expected_s = min(ticket.allowance_s, expected.full_s, max(left_s, 0.0))
        ticket.expected_end_s = now_s + (expected_s + self._edge_s) / self._free(now_s)
        ticket.short, ticket.alone = expected_s <= max(SHORT_S, HARDLY_MORE * expected.least_s), self._line.running <= 1
        return left_s + self._limits.grace_s > (expected.least_s if waited else 0.0)

    def finish(self, now_s: float, ticket: Ticket) -> None:
        """Learn what lies around the answers, and how many may run."""
        duration_s = now_s - ticket.started_s
        if ticket.engine_s > 0.0:
            if ticket.alone and self._line.running <= 1:  # of two at a time each waits for the other
                edge_s = min(MOST_EDGE_S, max(0.0, duration_s - ticket.engine_s))
                self._edge_s += (edge_s - self._edge_s) / EDGE_MEMORY
            saved_s = self._saved_s[ticket.batch] + ticket.share_s - ticket.engine_s
            self._saved_s[ticket.batch] = min(self._expected(now_s).full_s, max(0.0, saved_s))
            self._running.note(duration_s, self._line.running, len(self._line))
        else:  # refused for what it asked, or dropped: no work, so no reason for others to get less
            (self._batch if ticket.batch else self._interactive).take_back(now_s)

    def pause_s(self) -> float:
        """A hundredth of what callers allow."""
        return min(MOST_PAUSE_S, PAUSE * self._budget.budget_s)

    def gauges(self, now_s: float) -> Gauges:
        """For whoever watches; the allowance is that of an interactive call that would start now."""
        allowance_s = self._allowance_s(now_s, batch=False)
        share = 1.0 if math.isinf(allowance_s) else min(1.0, allowance_s / max(self._expected(now_s).full_s, 1e-9))
        return Gauges(len(self._line), self._running.calls, self._interactive.per_s(now_s), self._batch.per_s(now_s), share)

    def _add_unknown(self, now_s: float) -> None:
        """Count a call that was refused before its message: a part of it for each kind, as they came so far."""
        batch, share = self._batch.per_s(now_s), 1.0
        if batch:
            interactive = self._interactive.per_s(now_s)
            share = interactive / (interactive + batch)
            self._batch.add(now_s, 1.0 - share)
        self._interactive.add(now_s, share)

    def _fits(self, now_s: float, deadline_s: float, batch: bool) -> bool:
        line, limits = self._line, self._limits
        places = self._running.calls
        if line.empty and line.running < places:
            return True
        if len(line) >= limits.most_waiting:
            return False
        expected, left = self._expected(now_s), self._left(now_s) if batch else 1.0
        stands = line.standing_s(now_s, batch) > STANDING_S and (batch or self._too_many(now_s))
        patience_s = self._patience_s(batch) if stands else BURST * limits.max_queue_s
        if line.waiting(batch) * (self._floor_s(now_s, batch) + self._edge_s) > patience_s * left * places:
            return False
        least_s = (expected.least_s + self._edge_s) / self._free(now_s)
        wait_s = (line.rest_s(now_s) + line.ahead_of(deadline_s, batch) * least_s) / (places * left)
        return now_s + wait_s + least_s <= deadline_s + limits.grace_s

    def _too_many(self, now_s: float) -> bool:
        """Whether more interactive calls come than can be answered at the floor: where they are fewer, their line is chance and goes by itself."""
        return self._interactive.per_s(now_s) * (self._floor_s(now_s, batch=False) + self._edge_s) > CHANCE * self._processor(now_s)

    def _floor_s(self, now_s: float, batch: bool) -> float:
        """What load alone makes no answer cheaper than. It is there to refuse some rather than to answer all of them badly, but not to refuse people
        for the sake of machines: beside batch calls that are refused it gives way for interactive ones."""
        expected = self._expected(now_s)
        return expected.least_s if not batch and now_s < self._batch_refused_s + RATE_MEMORY_S else expected.floor_s

    def _allowance_s(self, now_s: float, batch: bool) -> float:
        expected, edge_s, processor, line = self._expected(now_s), self._edge_s, self._processor(now_s), self._line
        pressure = self._pressures[batch]
        if not pressure.made_s <= now_s < pressure.made_s + GOOD_FOR_S:
            self._pressures[batch] = pressure = self._pressure(now_s, batch)
        share_s, room_s, waiting = pressure.share_s, pressure.room_s, line.waiting(batch)
        if waiting:
            room_s = min(room_s, line_share_s(now_s, line.deadlines_s(batch, LOOKED_AT), processor, edge_s))
            if line.standing_s(now_s, batch) > STANDING_S:  # smaller answers before refusals
                share_s = min(share_s, standing_share_s(AIM * self._patience_s(batch) * processor / (1 + waiting), share_s, edge_s))
        else:
            share_s += SPENT * self._saved_s[batch]
        allowance_s = min(max(share_s, self._floor_s(now_s, batch)), max(room_s, expected.least_s))
        return math.inf if allowance_s >= expected.full_s else allowance_s

    def _pressure(self, now_s: float, batch: bool) -> Pressure:
        edge_s, expected, processor, free = self._edge_s, self._expected(now_s), self._processor(now_s), self._free(now_s)
        interactive = self._interactive.per_s(now_s)
        rate, theirs = (self._batch.per_s(now_s), processor * self._left(now_s)) if batch else (interactive, processor)
        let_in_per_s = min(interactive, processor / (self._floor_s(now_s, batch) + edge_s))  # the others are refused, and need no room
        room_s = HELD * free * newcomers_room_s(self._budget.budget_s - edge_s / free, let_in_per_s, (expected.least_s + edge_s) / free)
        return Pressure(now_s, self._rate_share_s(theirs, rate), room_s)

    def _rate_share_s(self, processor: float, rate: float) -> float:
        """Calls in a closed loop come as fast as they are answered: smaller answers for them would only bring more of them. Where a line harms
        nobody, it is the better judge."""
        if self._budget.budget_s >= PATIENT * self._limits.max_queue_s:
            return math.inf
        return rate_share_s(processor, rate, self._edge_s, self._budget.budget_s)

    def _patience_s(self, batch: bool) -> float:
        """How much work may stand in the line: `max_queue_s`; where callers allow much more a part of that, up to what a burst may bring."""
        most_s = self._limits.max_queue_s
        return most_s if batch else min(BURST * most_s, max(most_s, self._budget.budget_s / PATIENT))

    def _expected(self, now_s: float) -> Expected:
        last = self._last_expected
        if not last.made_s <= now_s < last.made_s + GOOD_FOR_S:
            full_s, least_s = self._costs.full_s, self._costs.least_s
            self._last_expected = last = Expected(now_s, full_s, least_s, max(least_s, self._limits.floor * full_s))
        return last

    def _left(self, now_s: float) -> float:
        """The share of the processor that interactive calls leave."""
        rate, processor, budget_s = self._interactive.per_s(now_s), self._processor(now_s), self._budget.budget_s
        expected = self._expected(now_s)
        each_s = min(expected.full_s, max(self._floor_s(now_s, batch=False), rate_share_s(processor, rate, self._edge_s, budget_s))) + self._edge_s
        return max(LEAST_LEFT, 1.0 - rate * each_s / (use(processor, rate, budget_s) * processor))

    def _free(self, now_s: float) -> float:
        """The share of the processor that reading and refusing calls leave to answers: what takes a second of it lasts longer by so much."""
        return max(LEAST_FREE, 1.0 - self._reading.cores(now_s) / self._limits.cores)

    def _processor(self, now_s: float) -> float:
        """Cores, as many as that share."""
        return self._limits.cores * self._free(now_s)
