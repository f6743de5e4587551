"""How many calls come per second, of late."""

from __future__ import annotations

import math


class ArrivalRate:
    """A rate over about `memory_s` seconds: each arrival counts 1 / memory_s and fades with e ** (-age / memory_s).

    One thread adds; any may ask, or take back. The rate of a steady stream is right on average from `memory_s` after its start; it has forgotten half
    of a stream that ended after 0.7 `memory_s`.
    """

    __slots__ = ("_memory_s", "_seen")

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._seen = (0.0, 0.0)  # (rate, when): one tuple, so that no reader sees halves of two

    def add(self, now_s: float, weight: float = 1.0) -> None:
        """A call has come. weight: less than 1 where it may have been one of another kind."""
        self._seen = (self.per_s(now_s) + weight / self._memory_s, now_s)

    def take_back(self, now_s: float) -> None:
        """One that came lately does not count. From any thread: of two changes at the same time one may be lost, which fades like all others."""
        self._seen = (max(0.0, self.per_s(now_s) - 1.0 / self._memory_s), now_s)

    def per_s(self, now_s: float) -> float:
        """Calls per second now."""
        rate, at_s = self._seen
        return rate * math.exp(min(0.0, at_s - now_s) / self._memory_s)
