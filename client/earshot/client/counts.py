"""How many attempts the calls took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the client was made. Each attempt is a call's first, a retry (nothing else of it was running), or a hedge (something was)."""

    call_count: int = 0
    refused_locally_count: int = 0  # calls of which nothing was sent
    retry_count: int = 0
    hedge_count: int = 0

    @property
    def attempt_count(self) -> int:
        """All that was sent."""
        return self.call_count - self.refused_locally_count + self.retry_count + self.hedge_count

    @property
    def attempts_per_call(self) -> float:
        """Of the calls that were sent at all; 1 while there are none."""
        sent_count = self.call_count - self.refused_locally_count
        return self.attempt_count / sent_count if sent_count else 1.0
