"""What stage 1 hands to the ranker, and which of it was listened to: the examples that the ranker learns from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse

from domain.arrays import BoolArray, FloatArray, RowArray
from training.column_inputs import ColumnInputs, Moment
from training.columns import Columns
from training.features import features
from training.folds import Fold
from training.knowledge import Knowledge
from training.matrices import followed, mean_logs
from training.occasions import Histories, Occasions
from training.space import Space

LEAST_LISTENS = 5  # as evaluation has it: with fewer, little is known of a user


@dataclass(frozen=True)
class Slates:
    """users: int64 [s]. candidates: int64 [s, n], best first by similarity. features: float32 [s, n, F], codes of categories at
    the end.

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


def retrieve(stage1: Space, hidden: sparse.csr_matrix, users: RowArray, count: int) -> RowArray:
    """int64 [len(users), count], best first. hidden: CSR [users, creators], above zero where a creator is left out, as by the server."""
    found = np.empty((len(users), count), np.int64)
    for start in range(0, len(users), 256):
        some = users[start : start + 256]
        scores = np.where(hidden[some].toarray() > 0, -np.inf, stage1.scores(some))
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        found[start : start + len(some)] = np.take_along_axis(best, order, 1)
    return found


class SlateMaker:
    """Makes slates of one fold. What a user has played or follows is not shown: the server leaves it out too."""

    def __init__(self, known: Knowledge, stage1: Space, fold: Fold, columns: Columns) -> None:
        """known, stage1: what the fold's own listens teach."""
        self._known, self._stage1, self._fold, self._columns = known, stage1, fold, columns
        self._hidden = known.played + followed(known.listens, fold.side)
        self._inputs = ColumnInputs(columns, fold.side, len(known.listens.user_ids), stage1.creators)

    def make(self, asked: Occasions, count: int) -> Slates:
        """Slates of `count` for all questions by users with enough listens to know them."""
        asked = asked.part(np.flatnonzero(self._known.history_length[asked.users] >= LEAST_LISTENS))
        users, places = np.unique(asked.users, return_inverse=True)
        candidates = retrieve(self._stage1, self._hidden, users, count)[places]
        creator_count, new = self._hidden.shape[1], self._fold.new
        asking = np.arange(len(asked))[:, None] * creator_count
        listened = np.isin(asking + candidates, asked.wanted[:, 0] * creator_count + asked.wanted[:, 1])
        return Slates(
            users=asked.users,
            candidates=candidates,
            features=self._features(asked, candidates),
            listened=listened,
            favourite=listened & self._played_much(asked.users, candidates),
            new=new[candidates],
            relevant=asked.count_wanted(),
            relevant_heard=asked.count_wanted(~new),
        )

    def _played_much(self, users: RowArray, candidates: RowArray) -> BoolArray:
        """More than the user plays on average."""
        aside, creator_count = self._fold.aside, self._hidden.shape[1]
        much = np.log1p(aside.counts) > mean_logs(self._known.listens)[aside.users]
        return np.isin(users[:, None] * creator_count + candidates, (aside.users * creator_count + aside.creators)[much])

    def _features(self, asked: Occasions, candidates: RowArray) -> FloatArray:
        found = features(self._known, self._stage1, asked.users, candidates)
        return np.concatenate([found, self._column_features(asked, candidates)], axis=2) if self._columns else found

    def _column_features(self, asked: Occasions, candidates: RowArray) -> FloatArray:
        histories = Histories(self._known.listens).before(asked.users, asked.times_s)
        moments = [Moment(asked.numbers[i : i + 1], asked.codes[i : i + 1], history) for i, history in enumerate(histories)]
        asking = zip(asked.users.tolist(), moments, candidates, strict=True)
        return np.stack([self._inputs.features(self._inputs.feed(*one)) for one in asking])
