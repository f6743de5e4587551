"""How long to wait before starting again what keeps dying."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """At once after a life longer than `quick_s`; after quick deaths in a row `free_count` times at once, then with doubling delays."""

    quick_s: float = 1.0
    free_count: int = 2
    first_delay_s: float = 0.25
    max_delay_s: float = 10.0
    quick_deaths: int = 0

    def delay_s(self, life_s: float) -> float:
        """The delay after a life of that length."""
        self.quick_deaths = self.quick_deaths + 1 if life_s < self.quick_s else 0
        surplus = self.quick_deaths - self.free_count
        return 0.0 if surplus <= 0 else min(self.max_delay_s, self.first_delay_s * 2.0 ** (surplus - 1))
