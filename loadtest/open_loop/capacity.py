"""C: the highest rate at which at least 99 % of the calls are answered inside their deadline."""

from __future__ import annotations

from collections.abc import Callable

LEAST_GOOD_SHARE = 0.99
PRECISION = 1.1  # unless told otherwise: the search ends when the rate that fails is at most this times the one that holds
LEAST_RATE_PER_S = 1.0


def find_capacity(holds: Callable[[float], bool], first_rate_per_s: float, most_trials: int, precision: float = PRECISION) -> float | None:
    """The highest rate that was seen to hold; None when none did. Doubles or halves until one holds and one fails, then goes between them."""
    held: float | None = None
    failed: float | None = None
    rate = first_rate_per_s
    for _ in range(most_trials):
        if holds(rate):
            held = rate
        else:
            failed = rate
        if held is not None and failed is not None and failed <= held * precision:
            break
        rate = _next_rate(held, failed)
        if rate < LEAST_RATE_PER_S:
            break
    return held


def _next_rate(held: float | None, failed: float | None) -> float:
    if held is None:
        assert failed is not None
        return failed / 2
    return held * 2 if failed is None else (held * failed) ** 0.5
