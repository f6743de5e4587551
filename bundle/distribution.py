"""How numbers of a column are spread: what a person looks at to see whether the right column went into the bundle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.arrays import AnyArray, RowArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BIN_COUNT = 30  # as many bars as stay apart in a picture a hand wide
HEAVY_TAIL = 50.0  # largest value over the median: from there on nearly all bars of a linear scale would be empty
SAMPLE_SEED = 20_26  # any fixed number: the same bundle must give the same report


@dataclass(frozen=True, slots=True)
class Distribution:
    """count: finite values looked at, at least one. quantiles: at QUANTILES. counts[i] values lie between edges[i] and edges[i + 1], which are
    evenly spaced, on a logarithmic scale where `logarithmic` says so."""

    count: int
    least: float
    most: float
    mean: float
    quantiles: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    logarithmic: bool = False


def distribution(values: AnyArray) -> Distribution | None:
    """The distribution of numbers of any shape and dtype, computed in float64; what is not finite does not count. None when nothing is left."""
    numbers = np.asarray(values, np.float64).reshape(-1)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return None
    quantiles = np.quantile(numbers, QUANTILES, method="nearest")  # values that occur, and no sums that overflow
    least, most = float(numbers.min()), float(numbers.max())
    median = float(quantiles[QUANTILES.index(0.5)])
    logarithmic = least >= 0.0 and median > 0.0 and most > HEAVY_TAIL * median
    edges = _edges(least, most, logarithmic, whole=values.dtype.kind in "iub")
    counts, _ = np.histogram(numbers, edges)
    return Distribution(
        count=len(numbers),
        least=least,
        most=most,
        mean=float((numbers / len(numbers)).sum()),
        quantiles=tuple(quantiles.tolist()),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        logarithmic=logarithmic,
    )


def sampled_places(count: int, wanted: int) -> RowArray:
    """`wanted` of the places 0 to count - 1, ascending and different: one from each of as many equal parts, so that no order of the rows and no
    period in it distorts the picture. All of them when there are no more."""
    if count <= wanted:
        return np.arange(count)
    bounds = np.arange(wanted + 1) * count // wanted
    within = np.random.default_rng(SAMPLE_SEED).random(wanted)
    places: RowArray = bounds[:-1] + (within * np.diff(bounds)).astype(np.int64)
    return places


def _edges(least: float, most: float, logarithmic: bool, whole: bool) -> AnyArray:
    if whole and most - least < BIN_COUNT:
        return np.arange(least - 0.5, most + 1.0)  # one bar for each number
    if least == most:
        return np.array([least - 0.5, most + 0.5]) if abs(least) < 2**52 else np.sort([np.nextafter(least, 0.0), least])
    if not logarithmic:
        with np.errstate(over="ignore"):  # the last edge may round beyond float64; it is set below
            edges = 2.0 * np.linspace(least / 2, most / 2, BIN_COUNT + 1)  # halves, since the width of all of float64 overflows
    elif least > 0.0:
        with np.errstate(over="ignore"):  # as above
            edges = np.minimum(np.geomspace(least, most, BIN_COUNT + 1), most)
    else:  # counts begin at zero, where a logarithm cannot
        edges = np.expm1(np.linspace(0.0, np.log1p(most), BIN_COUNT + 1))
    edges[0], edges[-1] = least, most  # rounding must not lose the extremes
    return np.unique(edges)  # between neighbours of float64 there is no room for all of them
