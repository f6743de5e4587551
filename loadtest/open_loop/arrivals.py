"""When calls are made: a Poisson process, planned ahead."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random


def arrivals_s(rate_per_s: float, duration_s: float, seed: str) -> list[float]:
    """Ascending moments in [0, duration_s) with independent, exponential gaps of 1 / rate_per_s in the mean. The same seed gives the same ones.

    Several such processes together are one of the sum of their rates, so that each sender can plan for itself.
    """
    draw = Random(seed)  # noqa: S311 - load, not secrets
    moments: list[float] = []
    now_s = draw.expovariate(rate_per_s)
    while now_s < duration_s:
        moments.append(now_s)
        now_s += draw.expovariate(rate_per_s)
    return moments


def stepped_arrivals_s(rate_per_s: float, steps: Sequence[Sequence[float]], duration_s: float, seed: str) -> list[float]:
    """The same with a rate that changes: `steps` are (moment in seconds, factor on the rate), ascending, the first at 0. No steps: one rate.

    A Poisson process has no memory, so each stretch is one of its own.
    """
    moments: list[float] = []
    starts = list(steps) or [(0.0, 1.0)]
    for number, (start_s, factor) in enumerate(starts):
        end_s = starts[number + 1][0] if number + 1 < len(starts) else duration_s
        own_seed = f"{seed}/{number}" if number else seed
        moments += [start_s + moment_s for moment_s in arrivals_s(rate_per_s * factor, end_s - start_s, own_seed)]
    return moments
