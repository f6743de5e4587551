"""Which time limit a call gets."""

from __future__ import annotations

from dataclasses import dataclass

NO_DEADLINE_S = 1e12  # without one grpcio reports about 9.2e18 seconds left


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """The time limits that were set, in seconds."""

    default_s: float
    max_s: float
    reserve_s: float

    def budget_s(self, remaining_s: float) -> float:
        """The time that may be used when gRPC says `remaining_s` (> 0); not above 0 where the reserve takes all of it."""
        return (self.default_s if remaining_s > NO_DEADLINE_S else min(remaining_s, self.max_s)) - self.reserve_s
