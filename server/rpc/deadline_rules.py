"""Which time limit a call gets."""

from __future__ import annotations

from dataclasses import dataclass

NO_DEADLINE_S = 1e12  # without one grpcio reports about 9.2e18 seconds left
LIMIT_PER_RESERVE_S = 0.030  # of a time limit: for each so much, the reserve is kept once more
MOST_RESERVES = 10.0
GRACE = 0.5  # of one reserve: replies seldom take all of it, so who has less time left than he needs is given up only when half of it would not do


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """The time limits that were set, in seconds. reserve_s: kept back for the reply.

    Who plans to the last moment is late whenever a thread is woken late, at either end. The longer a caller allows, the more work ends there, and the
    less is lost by leaving some: the last candidates are the least likely ones. With a reserve of 1.75 ms, 2 of 5 ms are kept, 2.9 of 20, 7.6 of 100.
    """

    default_s: float
    max_s: float
    reserve_s: float

    @property
    def grace_s(self) -> float:
        """How much later than planned an answer is still worth a trial."""
        return GRACE * self.reserve_s

    def budget_s(self, remaining_s: float) -> float:
        """The time that may be used when gRPC says `remaining_s` (> 0); not above 0 where the reserve takes all of it."""
        limit_s = self.default_s if remaining_s > NO_DEADLINE_S else min(remaining_s, self.max_s)
        return limit_s - self.reserve_s * min(MOST_RESERVES, 1.0 + limit_s / LIMIT_PER_RESERVE_S)
