"""What a baseline offers once it is fitted, and rankings out of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.listens import Listens

Scorer = Callable[[RowArray], FloatArray]
"""Users [B] (codes) -> scores float32 [B, creators], higher is better; the caller may write into them."""

BATCH_USER_COUNT = 256  # times 17,632 creators: 18 MB of scores at a time


def rank_with(score: Scorer, kept: Listens, users: RowArray, depth: int, eligible: BoolArray | None = None) -> RowArray:
    """The `depth` best creators of each user, int64 [U, depth], without those of training; -1 where fewer are left.

    eligible: bool per creator, only those are ranked. Equal scores keep the order of codes.
    """
    order = np.argsort(kept.users, kind="stable")
    starts = np.searchsorted(kept.users[order], np.arange(len(kept.user_ids) + 1))
    seen = [kept.creators[order[starts[user] : starts[user + 1]]] for user in users.tolist()]
    batches = []
    for start in range(0, len(users), BATCH_USER_COUNT):
        scores = score(users[start : start + BATCH_USER_COUNT])
        if eligible is not None:
            scores[:, ~eligible] = -np.inf
        for row, creators in enumerate(seen[start : start + BATCH_USER_COUNT]):
            scores[row, creators] = -np.inf
        batches.append(_best(scores, depth))
    ranked = np.full((len(users), depth), -1, np.int64)
    if batches:
        best = np.concatenate(batches)
        ranked[:, : best.shape[1]] = best
    return ranked


def _best(scores: FloatArray, depth: int) -> RowArray:
    depth = min(depth, scores.shape[1])
    chosen = np.sort(np.argpartition(-scores, depth - 1, axis=1)[:, :depth], axis=1)
    values = np.take_along_axis(scores, chosen, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(chosen, order, axis=1)
    ranked: RowArray = np.where(np.take_along_axis(values, order, axis=1) == -np.inf, -1, best)
    return ranked
