"""What stage 1 hands to the ranker, and which of it was listened to: the examples that the ranker learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from training.features import features
from training.knowledge import Knowledge
from training.space import Space

LEAST_LISTENS = 5  # as evaluation has it: with fewer, little is known of a user


@dataclass(frozen=True)
class Slates:
    """users: int64 [s]. candidates: int64 [s, n], best first by similarity. features: float32 [s, n, F]. listened: bool [s, n].
    relevant: float32 [s], how many listens of the user there were to find, in the slate or not."""

    users: RowArray
    candidates: RowArray
    features: FloatArray
    listened: BoolArray
    relevant: FloatArray

    def part(self, chosen: RowArray) -> Slates:
        """Some of the slates."""
        return Slates(self.users[chosen], self.candidates[chosen], self.features[chosen], self.listened[chosen], self.relevant[chosen])


def retrieve(stage1: Space, known: Knowledge, users: RowArray, count: int) -> RowArray:
    """int64 [len(users), count], best first; what a user has played is left out, as the server does with seen creators."""
    found = np.empty((len(users), count), np.int64)
    for start in range(0, len(users), 256):
        some = users[start : start + 256]
        scores = np.where(known.played[some].toarray() > 0, -np.inf, stage1.scores(some))
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        found[start : start + len(some)] = np.take_along_axis(best, order, 1)
    return found


def make_slates(known: Knowledge, stage1: Space, aside: tuple[RowArray, RowArray], count: int) -> Slates:
    """Slates of `count` of all users with enough listens to know them and one aside. aside: (users, creators), int64."""
    user_count, creator_count = known.played.shape
    relevant = np.bincount(aside[0], minlength=user_count)
    users = np.flatnonzero((known.history_length >= LEAST_LISTENS) & (relevant > 0))
    candidates = retrieve(stage1, known, users, count)
    listened = np.isin(users[:, None] * creator_count + candidates, aside[0] * creator_count + aside[1])
    return Slates(users, candidates, features(known, stage1, users, candidates), listened, relevant[users].astype(np.float32))
