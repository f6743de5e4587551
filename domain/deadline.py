"""How much time one request has left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import DeadlinePassed

Clock = Callable[[], float]
"""A monotonic clock in seconds. Handed in, never read from `time` inside a stage."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on a monotonic clock. Immutable; shared by all stages of one request; safe from any thread.

    Laws (tests/unit/domain/test_deadline.py): the remainder never grows while the clock runs forward, an earlier deadline never has more left
    than a later one, and `before` never yields a later deadline.

    grace_s: an answer that comes so much later may still be in time. Nothing is planned into it, and nothing is given up before it is over.
    """

    at_s: float
    clock: Clock
    grace_s: float = 0.0

    @classmethod
    def after(cls, budget_s: float, clock: Clock) -> Deadline:
        """The deadline `budget_s` seconds from now; `math.inf` never passes."""
        return cls(clock() + budget_s, clock)

    @classmethod
    def never(cls, clock: Clock) -> Deadline:
        """A deadline that never passes, for work nobody waits for (builds, tests)."""
        return cls(math.inf, clock)

    def remaining_s(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at_s - self.clock()

    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0.0

    def before(self, reserve_s: float) -> Deadline:
        """The same deadline moved `reserve_s` (>= 0) earlier, to keep time for what follows."""
        return Deadline(self.at_s - max(reserve_s, 0.0), self.clock, self.grace_s)

    def check(self, doing: str) -> None:
        """Raise DeadlinePassed, naming what would have been done, when no time is left, nor of the grace."""
        if self.clock() >= self.at_s + self.grace_s:  # twice per request, so without a detour by `passed`
            raise DeadlinePassed(f"the deadline passed before the server could {doing}; allow more time", {"stage": doing})
