"""Whether a rate holds, with as few calls as tell 99 % from 98 %: Wald's sequential probability ratio test, in looks of some hundred calls each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

GOOD, BAD = 0.99, 0.98  # shares of good calls that are to be told apart
ERROR = 0.05  # of taking a BAD one for a GOOD one, and of the other way round
BOUND = math.log((1.0 - ERROR) / ERROR)  # of the evidence
MOST_LOOKS = 4  # then the share so far decides


@dataclass(frozen=True, slots=True)
class Count:
    """Calls that were planned, and those of them that were good."""

    planned: int = 0
    good: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.planned + other.planned, self.good + other.good)

    @property
    def share(self) -> float:
        """Of the good ones; 0 of no calls, which show nothing."""
        return self.good / self.planned if self.planned else 0.0

    @property
    def evidence(self) -> float:
        """Logarithm of how much likelier these calls are when BAD is the truth than when GOOD is."""
        return (self.planned - self.good) * math.log((1.0 - BAD) / (1.0 - GOOD)) + self.good * math.log(BAD / GOOD)


@dataclass(frozen=True, slots=True)
class Step:
    """What was found of one rate. held: at least GOOD of one attempt's calls were good. good_share: of the better attempt."""

    rate_per_s: float
    held: bool
    good_share: float


def attempt(look: Callable[[], Count]) -> Count:
    """All calls of the looks that were needed. Whether they held is what their share says: evidence against never goes with a share of GOOD."""
    seen = Count()
    for _ in range(MOST_LOOKS):
        seen += look()
        if abs(seen.evidence) >= BOUND:
            break
    return seen


def step(rate_per_s: float, look: Callable[[], Count]) -> Step:
    """One attempt; a second one, from nothing, before the rate has failed: a moment in which the machine stood still is not the server's fault."""
    share = attempt(look).share
    if share < GOOD:
        share = max(share, attempt(look).share)
    return Step(rate_per_s, share >= GOOD, share)
