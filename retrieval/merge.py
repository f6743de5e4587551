"""Merging what several sources found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.arrays import RowArray
from domain.candidates import Candidates


def merge(parts: Sequence[Candidates], id_ranks: RowArray) -> Candidates:
    """All candidates of `parts`, each row once with its best similarity (of equal ones, that of the earlier part), ties by id_ranks int64 [N]."""
    together = Candidates(
        np.concatenate([part.rows for part in parts] or [np.empty(0, np.int64)]),
        np.concatenate([part.similarities for part in parts] or [np.empty(0, np.float32)]),
        np.concatenate([part.sources for part in parts] or [np.empty(0, np.uint8)]),
    )
    ordered = together.take(np.lexsort((id_ranks[together.rows], -together.similarities)))
    _, first = np.unique(ordered.rows, return_index=True)
    return ordered.take(np.sort(first))
