"""A worker of one core in virtual time: real line, real policy, an engine that keeps to its allowance, and calls that come as they were drawn."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

from server.admission.adaptive import AdaptivePolicy, Limits
from server.admission.bounded import BoundedPolicy
from server.admission.line import WaitingLine
from server.admission.reading_load import ReadingLoad
from server.admission.run_limit import RunLimit
from server.admission.ticket import Ticket
from server.rpc.request_pool import Fifo

REFUSAL_S = 31e-6  # of the polling thread, per call that is refused (reliability.md, section 1)
EDGE_S = 0.0003  # around each answer
RESERVE_S = 0.001  # kept back from the callers' time for the reply
NOISE = 0.1  # how far answers are from what they were planned to take, one standard deviation


@dataclass
class Stream:
    """Calls of one kind: Poisson, `per_s` from `start_s` to `end_s`, all with one time limit."""

    per_s: float
    budget_s: float
    end_s: float
    start_s: float = 0.0
    batch: bool = False
    leaves_after_s: float = math.inf  # the caller cancels then

    def arrivals(self, rng):
        """(when, this stream), ascending."""
        now_s = self.start_s
        while (now_s := now_s + rng.expovariate(self.per_s)) < self.end_s:
            yield now_s, self


@dataclass
class Outcome:
    """What became of one call. share: of the full answer's work, 0 when it was not served."""

    stream: Stream
    arrived_s: float
    waited_s: float = 0.0
    share: float = 0.0
    in_time: bool = False
    fate: str = "refused"


@dataclass
class VirtualWorker:
    """Seconds of processor: a full answer, and the least one. admission: as the setting. anytime: whether the engine keeps to time and allowance.
    fixed_s: of a ranker call; without an allowance for it answers are the least. refusal_s: of the polling thread, for each call that is refused.
    """

    full_s: float
    least_s: float
    admission: str = "adaptive"
    anytime: bool = True
    fixed_s: float = 0.0
    refusal_s: float = REFUSAL_S
    seed: int = 7
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now_s, self.worked_s, self.refusing_s = 0.0, 0.0, 0.0
        self.rng = random.Random(self.seed)
        self.costs = SimpleNamespace(full_s=self.full_s, least_s=self.least_s)
        if self.admission == "adaptive":
            running = RunLimit(1, 4, lambda: self.worked_s, lambda: self.now_s)
            self.line = WaitingLine(lambda: running.calls, lambda: self.now_s)
            self.policy = AdaptivePolicy(self.costs, self.line, running, ReadingLoad(lambda: self.refusing_s), Limits(1, 1000, 0.02, 0.1))
        else:
            self.line = Fifo()
            self.policy = BoundedPolicy(self.line, math.inf if self.admission == "off" else 64, 1)
        self.current: Ticket | None = None
        self.ends_s = math.inf
        self.known: dict[Ticket, Outcome] = {}

    def run(self, *streams: Stream) -> list[Outcome]:
        """All calls of all streams, to the end."""
        coming = heapq.merge(*(stream.arrivals(random.Random(f"{self.seed} {place}")) for place, stream in enumerate(streams)), key=lambda a: a[0])
        arrival = next(coming, None)
        while arrival is not None or self.current is not None:
            if arrival is not None and arrival[0] < self.ends_s:
                self.now_s = arrival[0]
                self._arrive(arrival[1])
                arrival = next(coming, None)
            else:
                self.now_s = self.ends_s
                self._finish()
            self._start()
        return self.outcomes

    def _arrive(self, stream: Stream) -> None:
        outcome = Outcome(stream, self.now_s)
        self.outcomes.append(outcome)
        gone_s, now_s = self.now_s + min(stream.budget_s, stream.leaves_after_s), lambda: self.now_s
        caller = SimpleNamespace(active=lambda: now_s() < gone_s)
        ticket = Ticket(self.now_s, self.now_s + stream.budget_s - RESERVE_S, stream.batch, caller, lambda _: None)
        if self.policy.open_to(self.now_s, ticket.deadline_s, False) and self.policy.admits(self.now_s, ticket):
            self.known[ticket] = outcome
            self.line.put(ticket)
        elif self.current is not None:
            self.ends_s += self.refusal_s  # the polling thread takes its time from the call that runs, nearly always from its engine
            self.current.engine_s += self.refusal_s
            self.worked_s += self.refusal_s
            self.refusing_s += self.refusal_s

    def _start(self) -> None:
        while self.current is None and (ticket := self.line.take()) is not None:
            outcome = self.known[ticket]
            in_time = self.policy.start(self.now_s, ticket)
            if not in_time or not ticket.active():
                outcome.fate = "dropped"
                self.policy.finish(self.now_s, ticket)
                self.line.done(ticket)
                continue
            self.current, outcome.waited_s = ticket, self.now_s - ticket.arrived_s
            left_s = ticket.deadline_s - self.now_s - EDGE_S / 2 if self.anytime else math.inf
            planned_s = max(self.costs.least_s, min(self.costs.full_s, ticket.allowance_s, 0.9 * left_s))
            planned_s = planned_s if planned_s > self.fixed_s else self.costs.least_s
            took_s = planned_s * max(0.5, self.rng.gauss(1.0, NOISE))
            ticket.engine_s = min(took_s, max(self.costs.least_s, left_s))  # an engine that ranks in chunks stops in time
            outcome.share, outcome.fate = planned_s / self.costs.full_s, "served"
            self.ends_s = self.now_s + ticket.engine_s + EDGE_S
            self.worked_s += ticket.engine_s + EDGE_S

    def _finish(self) -> None:
        ticket = self.current
        self.known[ticket].in_time = self.now_s <= ticket.deadline_s + RESERVE_S
        self.policy.finish(self.now_s, ticket)
        self.line.done(ticket)
        self.current, self.ends_s = None, math.inf
