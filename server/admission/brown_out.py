"""How much of the processor one call may use, so that all the others get theirs.

Four bounds, each a sentence (docs/adr/0012-admission.md):
rate        those that come share the processor: arrivals_per_s * (allowance + edge) <= use * cores
line        those that wait share what is left until their deadlines, evenly
newcomers   who comes while this call runs can still be answered in its time, with CONFIDENCE
floor       load alone makes no answer smaller than this: beyond it, calls are refused instead
"""

from __future__ import annotations

import math
from collections.abc import Iterable

LEAST_USE, MOST_USE = 0.4, 0.98  # of the processor that answers are planned with; above, what the estimates miss would be a line that stands
LATE = 0.002  # share of calls that may wait for longer than they can
CONFIDENCE = 0.999  # for each call that comes; of the two late ones in a thousand that LATE allows, no more than half may be the fault of this one
MOST_COUNTED = 64


def use(processor: float, arrivals_per_s: float, budget_s: float) -> float:
    """The share of the processor to plan answers with, for callers that allow `budget_s`: the more of them fit into it, the more.

    Calls of s seconds each, that come at random to a processor of which they use u, wait longer than t with a chance of about
    exp(-2 (1 - u) / u * t / s) (heavy traffic, one server, all alike). That is LATE for t = budget_s - s.
    """
    if arrivals_per_s <= 0.0:
        return MOST_USE
    each_s = processor / arrivals_per_s
    slack_s = budget_s - each_s
    if slack_s <= 0.0:
        return LEAST_USE
    return min(MOST_USE, max(LEAST_USE, 1.0 / (1.0 - math.log(LATE) / 2.0 * each_s / slack_s)))


def rate_share_s(processor: float, arrivals_per_s: float, edge_s: float, budget_s: float) -> float:
    """Seconds for each of the calls that come, when `processor` cores are theirs, each costs `edge_s` around its answer, and may take `budget_s`.
    May be negative."""
    return use(processor, arrivals_per_s, budget_s) * processor / arrivals_per_s - edge_s if arrivals_per_s > 0.0 else math.inf


def line_share_s(now_s: float, deadlines_s: Iterable[float], cores: float, edge_s: float) -> float:
    """Seconds that a call may use before the others that wait, `deadlines_s` ascending, when all of them get as much. May be negative."""
    share_s = math.inf
    for place, deadline_s in enumerate(deadlines_s, 2):
        share_s = min(share_s, (deadline_s - now_s) * cores / place)
    return share_s - edge_s


def standing_share_s(aim_s: float, share_s: float, edge_s: float) -> float:
    """Seconds for each of those in a line that stands, which is as it should be when each takes `aim_s`, and where the rate allows `share_s`.

    The geometric mean of what both allow: a line is long by chance, too, and where it alone decided, who comes in a long one would get nothing beside
    others who get much. Where the rate allows everything, the line decides alone. May be negative.
    """
    return math.sqrt(aim_s * max(0.0, share_s + edge_s)) - edge_s if share_s < math.inf else aim_s - edge_s


def newcomers_room_s(budget_s: float, arrivals_per_s: float, least_s: float) -> float:
    """Seconds that a call may use so that those who come meanwhile, and allow `budget_s`, still get `least_s` each. May be negative.

    Who comes as number j while it runs is answered at its end + j * least_s. That is too late if he came earlier than budget_s before, which j
    arrivals of a Poisson stream do within x seconds with a chance of at most 1 - CONFIDENCE while arrivals_per_s * x <= _MEANS[j - 1].
    """
    if arrivals_per_s <= 0.0:
        return math.inf
    room_s = math.inf
    for number, mean in enumerate(_MEANS, 1):
        after_s = budget_s + mean / arrivals_per_s - number * least_s
        if after_s >= room_s:  # convex in the number: from here on it only grows
            break
        room_s = after_s
    return room_s


def _greatest_mean(most: int) -> float:
    """The greatest mean at which more than `most` arrivals are rarer than 1 - CONFIDENCE, by bisection."""
    low, high = 0.0, 2.0 * most + 1.0
    for _ in range(50):
        middle = (low + high) / 2
        below = sum(math.exp(n * math.log(middle) - middle - math.lgamma(n + 1)) for n in range(most + 1))
        low, high = (middle, high) if below >= CONFIDENCE else (low, middle)
    return low


_MEANS = [_greatest_mean(most) for most in range(MOST_COUNTED)]  # of 0, 1, 2 ... arrivals
