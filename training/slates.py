"""What stage 1 hands to the ranker, and which of it was listened to: the examples that the ranker learns from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from training.features import features
from training.folds import Fold
from training.knowledge import Knowledge
from training.matrices import mean_logs
from training.space import Space

LEAST_LISTENS = 5  # as evaluation has it: with fewer, little is known of a user


@dataclass(frozen=True)
class Slates:
    """users: int64 [s]. candidates: int64 [s, n], best first by similarity. features: float32 [s, n, F].

    listened: bool [s, n], listens that were put aside; favourite: those of them that the user plays more than his average. new: bool [s, n],
    creators of whom every listen was put aside. relevant, relevant_heard: int64 [s], how many listens of the user there were to find, in the slate or
    not: all, and those of creators that are not new.
    """

    users: RowArray
    candidates: RowArray
    features: FloatArray
    listened: BoolArray
    favourite: BoolArray
    new: BoolArray
    relevant: RowArray
    relevant_heard: RowArray

    def part(self, chosen: RowArray) -> Slates:
        """Some of the slates."""
        return Slates(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


def join(slates: list[Slates]) -> Slates:
    """All slates, those of one fold after those of another."""
    return Slates(**{one.name: np.concatenate([getattr(s, one.name) for s in slates]) for one in fields(Slates)})


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


def make_slates(known: Knowledge, stage1: Space, fold: Fold, count: int) -> Slates:
    """Slates of `count` of all users with enough listens to know them and one put aside."""
    aside, new = fold.aside, fold.new
    user_count, creator_count = known.played.shape
    relevant = np.bincount(aside.users, minlength=user_count)
    heard = np.bincount(aside.users[~new[aside.creators]], minlength=user_count)
    users = np.flatnonzero((known.history_length >= LEAST_LISTENS) & (relevant > 0))
    candidates = retrieve(stage1, known, users, count)
    shown = users[:, None] * creator_count + candidates
    keys, much = aside.users * creator_count + aside.creators, np.log1p(aside.counts) > mean_logs(known.listens)[aside.users]
    return Slates(
        users=users,
        candidates=candidates,
        features=features(known, stage1, users, candidates),
        listened=np.isin(shown, keys),
        favourite=np.isin(shown, keys[much]),
        new=new[candidates],
        relevant=relevant[users],
        relevant_heard=heard[users],
    )
