"""How much of the processor one call may use, so that all the others get theirs.

Four bounds, each a sentence (docs/adr/0013-admission.md):
rate        those that come share the processor: arrivals_per_s * (allowance + edge) <= USE * cores
line        those that wait share what is left until their deadlines, evenly
newcomers   who comes while this call runs can still be answered in its time, with CONFIDENCE
floor       load alone makes no answer smaller than this: beyond it, calls are refused instead
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

USE = 0.87  # of the processor that answers are planned with; the rest is for what the estimates miss
CONFIDENCE = 0.995
MOST_COUNTED = 64


def rate_share_s(processor: float, arrivals_per_s: float, edge_s: float) -> float:
    """Seconds for each of the calls that come, when `processor` cores are theirs and each costs `edge_s` around its answer. May be negative."""
    return USE * processor / arrivals_per_s - edge_s if arrivals_per_s > 0.0 else math.inf


def line_share_s(now_s: float, deadlines_s: Iterable[float], cores: float, edge_s: float) -> float:
    """Seconds that a call may use before the others that wait, `deadlines_s` ascending, when all of them get as much. May be negative."""
    share_s = math.inf
    for place, deadline_s in enumerate(deadlines_s, 2):
        share_s = min(share_s, (deadline_s - now_s) * cores / place)
    return share_s - edge_s


def newcomers_room_s(budget_s: float, arrivals_per_s: float, planned_s: float, least_s: float) -> float:
    """Seconds that a call may use so that those who come meanwhile, and allow `budget_s`, still get `least_s` each. May be negative."""
    return budget_s - most_arrivals(arrivals_per_s * min(planned_s, budget_s)) * least_s


def most_arrivals(mean: float) -> int:
    """How many arrivals are not exceeded with CONFIDENCE where `mean` are expected of a Poisson stream; counted up to MOST_COUNTED."""
    return bisect_right(_MEANS, mean)


def _greatest_mean(most: int) -> float:
    """The greatest mean at which more than `most` arrivals are rarer than 1 - CONFIDENCE, by bisection."""
    low, high = 0.0, 2.0 * most + 1.0
    for _ in range(50):
        middle = (low + high) / 2
        below = sum(math.exp(n * math.log(middle) - middle - math.lgamma(n + 1)) for n in range(most + 1))
        low, high = (middle, high) if below >= CONFIDENCE else (low, middle)
    return low


_MEANS = [_greatest_mean(most) for most in range(MOST_COUNTED)]
