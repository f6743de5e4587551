"""What all calls of a client share: its policy, its restraint towards the server, its counts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType

import grpc

from earshot.client.adaptive_throttle import AdaptiveThrottle
from earshot.client.counts import Counts
from earshot.client.errors import NO_RETRY_MS, RefusedLocally, code_of, pushback_ms_of
from earshot.client.policy import CallPolicy
from earshot.client.retry_tokens import RetryTokens

# By a server, or by what stands before it; CANCELLED by one that cannot even say so. A deadline that passed is no refusal.
REFUSALS = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED})


@dataclass(slots=True)
class Governor:
    """Decides for all calls of a client together; sends nothing. Safe from any thread. throttle None: nothing is refused locally."""

    policy: CallPolicy
    throttle: AdaptiveThrottle | None
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    counts: Counts = field(default=Counts(), init=False)
    closed: bool = field(default=False, init=False)  # nothing more is sent
    tokens: RetryTokens = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.tokens = RetryTokens(self.policy.max_tokens, self.policy.token_ratio)

    def begin(self, timeout_s: float) -> CallState:
        """A call with its first attempt, to be sent now; enter it. Raises RefusedLocally, and ValueError for a timeout that is none."""
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s is {timeout_s}; every call needs a deadline: a finite number of seconds, more than 0")
        deadline_s = self.clock() + timeout_s
        if self.throttle is not None and not self.throttle.admit():
            self._count(call_count=1, refused_locally_count=1)
            raise RefusedLocally(self.throttle.probability)
        self._count(call_count=1)
        return CallState(self, deadline_s)

    def allow_another(self, *, hedge: bool) -> bool:
        """Whether one more attempt may be sent; counts it."""
        if self.closed or not self.tokens.allow():
            return False
        self._count(**{"hedge_count" if hedge else "retry_count": 1})
        return True

    def ended(self, *, accepted: bool) -> None:
        """A call is over. The throttle counts calls and not attempts: those are the bucket's, and a new client's first retry should not meet both."""
        if self.throttle is not None:
            self.throttle.ended(accepted=accepted)

    def _count(self, **more: int) -> None:
        with self._lock:
            self.counts = replace(self.counts, **{name: getattr(self.counts, name) + one for name, one in more.items()})


class CallState:
    """One call on its way through its attempts: when the next one starts, and when there is no next one. Not thread-safe: its caller's own.

    Entered as a context: however the block ends is how the call ended.
    deadline_s, next_s: on the governor's clock. next_s: when another attempt should start if nothing ends before; infinite: never.
    """

    def __init__(self, governor: Governor, deadline_s: float) -> None:
        self._governor, self._policy = governor, governor.policy
        self.deadline_s = deadline_s
        self._attempt_count = 1
        self.next_s = float("inf")
        self._plan_hedge()

    def __enter__(self) -> CallState:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._governor.tokens.answered()
        self._governor.ended(accepted=not isinstance(error, grpc.RpcError) or code_of(error) not in REFUSALS)

    @property
    def left_s(self) -> float:
        """Time left; may be negative."""
        return self.deadline_s - self._governor.clock()

    @property
    def wait_s(self) -> float | None:
        """Time until the next attempt is due, not negative; None: none is."""
        return max(0.0, self.next_s - self._governor.clock()) if self.next_s < float("inf") else None

    def start_another(self, *, hedge: bool) -> bool:
        """Whether the attempt that is due may be sent; counts it. After a False none follows."""
        self.next_s = float("inf")
        if not self._governor.allow_another(hedge=hedge):
            return False
        self._attempt_count += 1
        self._plan_hedge()
        return True

    def failed(self, error: grpc.RpcError) -> bool:
        """Whether an attempt that runs, or another one, may still answer; False: the call has failed with this error. Sets `next_s`."""
        code, pushback_ms = code_of(error), pushback_ms_of(error)
        if code in self._policy.codes or pushback_ms == NO_RETRY_MS:
            self._governor.tokens.failed()
        if code not in self._policy.codes:
            return False
        self.next_s = float("inf")
        if pushback_ms != NO_RETRY_MS and self._attempt_count < self._policy.max_attempts:
            pause_s = self._policy.pause_s(self._attempt_count, self._governor.draw()) if pushback_ms is None else pushback_ms / 1e3
            start_s = self._governor.clock() + pause_s
            self.next_s = start_s if start_s < self.deadline_s else float("inf")  # nobody waits for an attempt that could only be late
        return True

    def _plan_hedge(self) -> None:
        if self._policy.hedging_delay_s is not None and self._attempt_count < self._policy.max_attempts:
            self.next_s = self._governor.clock() + self._policy.hedging_delay_s
