"""The formulas that the promises stand on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

DEPTH = 20  # of NDCG


def goodput_bound(load: float, refusal_s: float, served_s: float) -> float:
    """The most goodput, as a share of the capacity, at `load` times the capacity, when each refused call costs `refusal_s` of CPU and each served one
    `served_s`: g(L) = (1 - L r/s) / (1 - r/s), from served * s + (L - served) * r = s. 0 where refusing alone takes all there is.
    """
    if load <= 1.0:
        return load
    share = refusal_s / served_s
    return max(0.0, (1.0 - load * share) / (1.0 - share)) if share < 1.0 else 0.0


def gains_of(scores: Mapping[str, float]) -> dict[str, float]:
    """Per creator its score by the full ranker, less the least of this user's: as in the curve that bundles carry (engine/budget_curve.py)."""
    least = min(scores.values(), default=0.0)
    return {creator: score - least for creator, score in scores.items()}


def ndcg(answer: Sequence[str], gains: Mapping[str, float], depth: int = DEPTH) -> float:
    """Of an answer against the full one, whose gains these are; a creator without one gains 0; discount 1 / log2(1 + place), places from 1.

    1 for the best order, 0 for nothing in common; nan where nothing could be gained. Jarvelin and Kekalainen (2002).
    """
    best = _discounted(sorted(gains.values(), reverse=True)[:depth])
    return _discounted([gains.get(creator, 0.0) for creator in answer[:depth]]) / best if best else math.nan


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def recovery_s(shares: Sequence[float], bucket_s: float, least: float) -> float:
    """Seconds after the end of a spike until the share of good calls has come back for good. shares: per bucket from that end on (nan: no calls).

    0 where it never fell below `least`; infinite where the last bucket is below it.
    """
    below = [number for number, share in enumerate(shares) if share < least]
    if not below:
        return 0.0
    return math.inf if below[-1] == len(shares) - 1 else (below[-1] + 1) * bucket_s


def folded_shares(moments_s: Sequence[float], good: Sequence[bool], period_s: float, bucket_s: float) -> list[float]:
    """Share of good calls per bucket of a pattern that repeats every `period_s`, all repetitions together; nan for a bucket without calls."""
    count = round(period_s / bucket_s)
    planned, served = [0] * count, [0] * count
    for moment_s, was_good in zip(moments_s, good, strict=True):
        bucket = min(count - 1, int((moment_s % period_s) / bucket_s))
        planned[bucket] += 1
        served[bucket] += was_good
    return [there / asked if asked else math.nan for there, asked in zip(served, planned, strict=True)]
