"""The same for everybody: the creators with the most listeners. And by chance."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.listens import Listens
from evaluation.baselines.scorer import Scorer


def fit_popularity(kept: Listens) -> Scorer:
    """Scores a creator by how many users listened to it."""
    listeners = np.bincount(kept.creators, minlength=len(kept.creator_ids)).astype(np.float32)
    return lambda users: np.tile(listeners, (len(users), 1))


def fit_random(kept: Listens, seed: int = 1) -> Scorer:
    """Scores by chance, the same for the same user and seed."""
    creator_count = len(kept.creator_ids)

    def score(users: RowArray) -> FloatArray:
        return np.stack([np.random.default_rng((seed, user)).random(creator_count, np.float32) for user in users.tolist()])

    return score
