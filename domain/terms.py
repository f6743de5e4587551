"""On which terms one request is answered: how long its caller waits, how much of the processor it may use, and whether the caller is still there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from domain.deadline import Clock, Deadline
from domain.errors import Canceled


def always() -> bool:
    """A caller that never leaves."""
    return True


@dataclass(frozen=True, slots=True)
class Terms:
    """Handed in by the edge with each request. Immutable.

    allowance_s: processor seconds that this request may use because of load (brown-out); what it cuts is named OVERLOAD instead of DEADLINE.
    active: whether the caller still waits; asked between stages and between chunks of one, from the thread of the request.
    """

    deadline: Deadline
    allowance_s: float = math.inf
    active: Callable[[], bool] = always

    @classmethod
    def unhurried(cls, clock: Clock) -> Terms:
        """All the time in the world, for work nobody waits for (builds, proofs, evaluations, tests)."""
        return cls(Deadline.never(clock))

    def check(self, doing: str) -> None:
        """Raise DeadlinePassed when no time is left, Canceled when the caller has gone, naming what would have been done."""
        self.deadline.check(doing)
        self.check_active(doing)

    def check_active(self, doing: str) -> None:
        """Raise Canceled when the caller has gone. A ranking under way stops by its own plan: a late prefix is still better than nothing."""
        if not self.active():
            raise Canceled(f"the caller had gone before the server could {doing}", {"stage": doing})
