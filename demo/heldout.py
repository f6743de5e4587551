"""How good are slates? NDCG@20 against what listeners really played in a session that nothing was trained on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

DEPTH = 20


def ndcg(shown: Sequence[object], played: Collection[object], depth: int = DEPTH) -> float:
    """1.0 when the first places all went to what was played, 0.0 when none did. `shown` is best first; `played` is not empty.

    The ideal counts everything that was played, retrieved or not, so that two orders of one set of candidates compare fairly.
    """
    discounts = 1.0 / np.log2(np.arange(2, depth + 2))
    hits = np.array([item in played for item in shown[:depth]], np.float64)
    return float(hits @ discounts[: len(hits)] / discounts[: min(depth, len(played))].sum())
