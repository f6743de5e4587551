"""What the ranker sees of a (user, candidate) pair. The exported graph computes the same from vectors: `training.graph`."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray
from training.knowledge import Knowledge
from training.space import Space

NAMES = ("taste", "neighbours", "tags", "friends", "similarity", "listeners", "tag_count", "unheard", "history_length")


def features(known: Knowledge, stage1: Space, users: RowArray, candidates: RowArray) -> FloatArray:
    """float32 [len(users), n, len(NAMES)] for candidates int64 [len(users), n]."""
    friends = Space(known.friends, known.taste.creators)
    dots = [space.pairs(users, candidates) for space in (known.taste, known.neighbours, known.tags, friends, stage1)]
    listeners = known.listeners[candidates]
    facts = [np.log1p(listeners), known.content[candidates, -1], listeners == 0]
    history = np.broadcast_to(np.log1p(known.history_length[users])[:, None], candidates.shape)
    return np.stack([*dots, *facts, history], axis=2).astype(np.float32)
