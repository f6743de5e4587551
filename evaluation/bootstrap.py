"""How sure a mean over users is: percentile intervals from resampled users (Efron and Tibshirani 1993).

Seeded: the same values give the same interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.metrics import Values

RESAMPLE_COUNT = 2_000  # puts the ends of a 95 % interval within a few hundredths of its width
SEED = 20_26


@dataclass(frozen=True)
class Interval:
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def intervals(values: Values, resample_count: int = RESAMPLE_COUNT) -> list[Interval]:
    """One interval per column of values [U, M]. All columns share the resampled users, so a column of differences is a paired bootstrap."""
    means = resampled_means(values, resample_count)
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [Interval(*map(float, one)) for one in zip(values.mean(axis=0), low, high, strict=True)]


def interval(values: Values, resample_count: int = RESAMPLE_COUNT) -> Interval:
    """Of values [U]."""
    return intervals(values[:, None], resample_count)[0]


def loss_interval(values: Values, reference: Values, resample_count: int = RESAMPLE_COUNT) -> Interval:
    """What share of the mean of `reference` the mean of `values` is short of, both [U]; negative when it is above. Paired."""
    means = resampled_means(np.column_stack([values, reference]), resample_count)
    if not means[:, 1].all():
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.percentile(1.0 - means[:, 0] / means[:, 1], [2.5, 97.5])
    return Interval(1.0 - float(values.mean() / reference.mean()), float(low), float(high))


def resampled_means(values: Values, resample_count: int) -> Values:
    """Means [B, M] of `resample_count` samples of U users, drawn with replacement from the rows of values [U, M]."""
    generator = np.random.default_rng(SEED)
    count = len(values)
    means: Values = np.empty((resample_count, values.shape[1]))
    for place in range(resample_count):
        weights = np.bincount(generator.integers(0, count, count), minlength=count)
        means[place] = weights @ values / count
    return means
