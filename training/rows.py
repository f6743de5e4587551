"""The columns of creators.parquet and users.parquet, and the ranker's inputs made of them."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray
from training.pipeline import Trained


def candidate_inputs(trained: Trained, user: int, creators: RowArray) -> FloatArray:
    """float32 [n, w]: what the binding feeds as `candidates`."""
    known, stage1 = trained.known, trained.towers.space
    vectors = [space.creators[creators] for space in (known.taste, known.neighbours, known.tags)]
    facts = [known.listeners[creators], known.content[creators, -1], stage1.creators[creators] @ stage1.users[user]]
    return np.concatenate([*vectors, *(fact[:, None] for fact in facts)], axis=1).astype(np.float32)


def user_inputs(trained: Trained, user: int) -> FloatArray:
    """float32 [1, v]: what the binding feeds as `user`."""
    known = trained.known
    vectors = [known.taste.users[user], known.neighbours.users[user], known.tags.users[user], known.friends[user]]
    return np.concatenate([*vectors, known.history_length[user : user + 1]])[None].astype(np.float32)
