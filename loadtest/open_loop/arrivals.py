"""When calls are made: a Poisson process, planned ahead."""

from __future__ import annotations

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
