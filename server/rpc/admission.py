"""Admission at the edge: what the policies decide, as statuses. A worker refuses early what it could only answer late."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle
from typing import Protocol

from domain.deadline import Clock
from domain.errors import DeadlinePassed, Overloaded, QuotaExceeded
from earshot.v1 import recommendation_service_pb2 as pb
from server.admission.policy import Policy
from server.admission.quotas import Quotas
from server.admission.ticket import Ticket
from server.rpc.deadline_rules import NO_DEADLINE_S, DeadlineRules
from server.rpc.direct import DirectCall
from server.rpc.errors import Status, status_of
from server.rpc.reading import Undecodable
from server.rpc.reception import BoundedDesk
from server.rpc.request_pool import Job, RequestPool
from server.telemetry.board import RefusalReason
from server.telemetry.meter import Meter

PRIORITY_KEY, BATCH = "earshot-priority", "batch"  # of the metadata: only lets a refusal come before the message, whose own field holds
RETRY_AFTER_S = 0.05  # a few full queues' worth: long enough for a burst to pass, short enough not to idle
SPREAD = (0.6, 1.4, 0.8, 1.2, 1.0)  # of it, in turn: callers that were refused together do not come back together
SWEEP_EVERY_S = 0.005


def bounded(pool: RequestPool[Job], limit: int) -> BoundedDesk:
    """A desk that refuses with UNAVAILABLE and a pushback while `limit` requests wait for a thread of the pool."""
    problem = Overloaded(f"{limit} requests wait already; come back in {RETRY_AFTER_S:g} s", RETRY_AFTER_S)
    return BoundedDesk(pool, limit, status_of(problem))


class Sweeps(Protocol):
    """A line that can forget the dead."""

    def sweep(self) -> None:
        """Do it."""
        ...


class QuotaDesk:
    """Says which callers are above their quota. key: of the metadata that names the caller. dry_run: count them only."""

    def __init__(self, quotas: Quotas, key: str, dry_run: bool, meter: Meter) -> None:
        self._quotas = quotas
        self._key = key
        self._dry_run = dry_run
        self._meter = meter
        self._statuses: dict[float, Status] = {}  # by rate, of which there are as many as were set

    def refusal(self, call: DirectCall, now_s: float) -> Status | None:
        """The status for a call above the quota."""
        rate = self._quotas.take(call.metadata(self._key), now_s)
        if rate is None:
            return None
        self._meter.refuse(RefusalReason.QUOTA_DRY_RUN if self._dry_run else RefusalReason.QUOTA)
        return None if self._dry_run else self._status(rate)

    def _status(self, rate: float) -> Status:
        if rate not in self._statuses:
            retry_after_s = max(0.001, min(60.0, 1.0 / rate)) if rate else 60.0
            text = f"your quota is {rate:g} calls per second and worker; come back in {retry_after_s:g} s"
            self._statuses[rate] = status_of(QuotaExceeded(text, retry_after_s))
        return self._statuses[rate]


class AdmissionDesk:
    """Where RecommendCreators is answered. A refusal is made on the polling thread, from statuses that are there already.

    The method is given the Ticket in place of the message.
    """

    def __init__(self, pool: RequestPool[Ticket], policy: Policy, rules: DeadlineRules, meter: Meter, clock: Clock) -> None:
        self.pool = pool
        self.policy = policy
        self._rules = rules
        self._meter = meter
        self._clock = clock
        self.quotas: QuotaDesk | None = None
        self.line: Sweeps | None = None  # where there is one whose dead would keep the living out
        self._swept_s = 0.0
        self._full = cycle([_overloaded(RETRY_AFTER_S * share) for share in SPREAD])
        self._late = status_of(DeadlinePassed("the deadline passed before the call could be taken up; allow more time"))

    def refusal(self, call: DirectCall) -> Status | None:
        """By the headers. The caller's deadline is read here, once; everything after it is monotonic."""
        now_s, left_s = self._clock(), call.time_left_s()
        budget_s = math.inf if left_s >= NO_DEADLINE_S else self._rules.budget_s(max(left_s, 0.0))
        if budget_s <= 0.0:  # not even an idle worker could answer in time
            self._meter.refuse(RefusalReason.EXPIRED)
            return self._late
        call.arrived_s, call.deadline_s = now_s, now_s + budget_s
        status = self.quotas.refusal(call, now_s) if self.quotas else None
        if status is not None:
            return status
        batch = self.policy.refuses_batch and call.metadata(PRIORITY_KEY) == BATCH
        if self.policy.open_to(now_s, call.deadline_s, batch) or self._second_look(now_s, call, batch):
            return None
        return self._full_status(batch)

    def pause_s(self) -> float:
        """What callers hardly notice."""
        return self.policy.pause_s()

    def take(self, call: DirectCall, message: pb.RecommendCreatorsRequest | Undecodable) -> None:
        """Let it wait for a thread, or refuse it."""
        batch = getattr(message, "priority", 0) == pb.PRIORITY_BATCH
        now_s = self._clock()
        if call.deadline_s == math.inf:  # the server's own time limit is no reason to hurry a caller whose message is on its way
            call.deadline_s = now_s + self._rules.budget_s(math.inf)
        ticket = Ticket(call.arrived_s, call.deadline_s, batch, call, self._serve)
        ticket.message, ticket.grace_s = message, self._rules.grace_s
        if self.policy.admits(now_s, ticket) or self._second_look(now_s, call, batch):
            self.pool.put(ticket)
        else:
            call.refuse(self._full_status(batch))

    def _full_status(self, batch: bool) -> Status:
        self._meter.refuse(RefusalReason.BATCH if batch else RefusalReason.OVERLOAD)
        return next(self._full)

    def _second_look(self, now_s: float, call: DirectCall, batch: bool) -> bool:
        """Whether there is room without those whose callers have gone. Not for every call that is turned away, since each look costs."""
        if self.line is None or now_s < self._swept_s + SWEEP_EVERY_S:
            return False
        self._swept_s = now_s
        with self.pool.lock:
            self.line.sweep()
        return self.policy.reconsiders(now_s, call.deadline_s, batch)

    def _serve(self, ticket: Ticket) -> None:
        """On a thread: no work for the dead."""
        now_s, call = self._clock(), ticket.caller
        assert isinstance(call, DirectCall)
        in_time = self.policy.start(now_s, ticket)
        try:
            if not call.active():
                self._meter.refuse(RefusalReason.CANCELED)
            elif in_time:
                self._meter.begin(now_s - ticket.arrived_s)
                call.reply(ticket)
            else:
                self._meter.refuse(RefusalReason.EXPIRED_WAITING)
                call.refuse(self._late)
        finally:
            self.policy.finish(self._clock(), ticket)


def _overloaded(retry_after_s: float) -> Status:
    return status_of(Overloaded(f"too many calls wait already; come back in {retry_after_s:g} s", retry_after_s))


def quota_desk(rates: Mapping[str, float], burst_s: float, key: str, dry_run: bool, meter: Meter) -> QuotaDesk | None:
    """None where nobody has a quota."""
    return QuotaDesk(Quotas(rates, burst_s), key, dry_run, meter) if rates else None
