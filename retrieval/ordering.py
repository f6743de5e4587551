"""The one order of candidates: best similarity first, ties by creator id."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray


def best_first(rows: RowArray, similarities: FloatArray, id_ranks: RowArray, count: int) -> tuple[RowArray, FloatArray]:
    """The best `count` of these rows, in order. Stable: where a row occurs twice with one similarity, the earlier one comes first."""
    order = np.lexsort((id_ranks[rows], -similarities))[:count]
    return rows[order], similarities[order]


def settle_ties(rows: RowArray, similarities: FloatArray, id_ranks: RowArray, count: int) -> tuple[RowArray, FloatArray]:
    """The best `count` of rows that already descend by similarity. Sorts only where two neighbours are equal, which costs 2 us to find out."""
    tied = similarities[1:] == similarities[:-1]
    if not np.logical_or.reduce(tied[:count]):  # as `any`, without its two functions
        return rows[:count], similarities[:count]
    return best_first(rows, similarities, id_ranks, count)
