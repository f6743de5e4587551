"""How little time callers allow: what a call that runs must leave to the one that comes next."""

from __future__ import annotations

import math

SHARE = 0.05  # of the callers allow less
STEP = 0.1  # 37 calls follow a fall from 200 to 5 ms, 740 a rise: too careful for a while is better than late


class ShortBudget:
    """The SHARE quantile of the time limits of late, by stochastic approximation: a few operations per call, no memory. One thread adds."""

    __slots__ = ("budget_s",)

    def __init__(self) -> None:
        self.budget_s = math.inf

    def add(self, budget_s: float) -> None:
        """A caller allows that much (> 0)."""
        if math.isinf(self.budget_s):
            self.budget_s = budget_s
        elif budget_s < self.budget_s:
            self.budget_s = max(budget_s, self.budget_s * (1.0 - STEP * (1.0 - SHARE)))
        else:
            self.budget_s = min(budget_s, self.budget_s * (1.0 + STEP * SHARE))
