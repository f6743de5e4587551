"""The order of candidates where the graph's own order does not do."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray


def order_with_unscored(scores: FloatArray, similarities: FloatArray, id_ranks: RowArray) -> RowArray:
    """All n positions: scored ones by score, then those whose score is NaN by similarity; ties by creator id. int64 [n]."""
    unscored = np.isnan(scores)
    descending = np.where(unscored, -similarities, -scores)
    return np.lexsort((id_ranks, descending, unscored))
