"""The search for the highest rate that holds.

1. Climb by STRIDE from the first rate until one fails clearly. A narrow failure does not end the climb: on a machine that is hardly asked, processors
   sleep deeply, and a higher rate may hold.
2. Where none held, descend by STRIDE from the first rate until one holds.
3. Halve (geometrically) between the highest rate that held and the lowest above it that failed, until they are within PRECISION.

What is found is always a rate that was seen to hold itself.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.promise.sequential import Step

PRECISION = 1.07  # the rate that failed, over the one that held
STRIDE = PRECISION**8  # 1.72: three halvings are enough
CLEARLY = 0.95  # good calls, below which no higher rate is tried
LEAST_RATE_PER_S = 15.0  # some hundred calls take twenty seconds there: who holds less is said to hold nothing
MOST_CLIMBS = 16  # to five thousand times the first rate

Test = Callable[[float], Step]
"""Tries a rate, in calls a second."""


def highest(test: Test, first_rate_per_s: float) -> float | None:
    """The highest rate that held; None when none did, down to LEAST_RATE_PER_S."""
    steps = climb(test, first_rate_per_s)
    if not any(step.held for step in steps):
        steps += descend(test, first_rate_per_s)
    held = max((step.rate_per_s for step in steps if step.held), default=None)
    failed = min((step.rate_per_s for step in steps if held is not None and step.rate_per_s > held), default=None)
    return held if held is None or failed is None else between(test, held, failed)


def climb(test: Test, rate_per_s: float) -> list[Step]:
    """From this rate up to the first that failed clearly."""
    steps: list[Step] = []
    while not steps or (steps[-1].good_share >= CLEARLY and len(steps) < MOST_CLIMBS):
        steps.append(test(rate_per_s * STRIDE ** len(steps)))
    return steps


def descend(test: Test, rate_per_s: float) -> list[Step]:
    """From below this rate down to the first that held."""
    steps: list[Step] = []
    rate_per_s /= STRIDE
    while rate_per_s >= LEAST_RATE_PER_S and not (steps and steps[-1].held):
        steps.append(test(rate_per_s))
        rate_per_s /= STRIDE
    return steps


def between(test: Test, held_per_s: float, failed_per_s: float) -> float:
    """The highest that held of those tried between the two."""
    while failed_per_s > held_per_s * PRECISION * (1.0 + 1e-9):
        middle_per_s = (held_per_s * failed_per_s) ** 0.5
        if test(middle_per_s).held:
            held_per_s = middle_per_s
        else:
            failed_per_s = middle_per_s
    return held_per_s
