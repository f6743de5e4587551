"""The columns and the history of one question, as the binding feeds them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from domain.arrays import FloatArray, RowArray
from domain.listens import SideTables
from training.column_graph import ColumnFeatures
from training.columns import HISTORY_LENGTH, Columns
from training.occasions import NO_CREATOR


@dataclass(frozen=True)
class Moment:
    """One occasion. numbers: float32 [1, x]; codes: int64 [1, y]; history: int64 [HISTORY_LENGTH], newest last, NO_CREATOR behind them."""

    numbers: FloatArray
    codes: RowArray
    history: RowArray


@dataclass(frozen=True)
class ColumnFeed:
    """creator_numbers float32 [n, a], creator_codes int64 [n, c]; request_numbers [1, b], request_codes [1, d], user's columns first; embeddings
    [n, D] of the creators; history [1, HISTORY_LENGTH, D] and its mask [1, HISTORY_LENGTH]."""

    creator_numbers: FloatArray
    creator_codes: RowArray
    request_numbers: FloatArray
    request_codes: RowArray
    embeddings: FloatArray
    history: FloatArray
    mask: FloatArray


class ColumnInputs:
    """Assembles feeds from the side tables and one space's embeddings of creators. Immutable."""

    def __init__(self, columns: Columns, side: SideTables, user_count: int, embeddings: FloatArray) -> None:
        """embeddings: float32 [creators, D]."""
        count = len(embeddings)
        self._embeddings = embeddings
        self._creator_numbers = columns.creator.numbers_of(side.creator_features, count)
        self._creator_codes = columns.creator.codes_of(side.creator_features, count)
        self._user_numbers = columns.user.numbers_of(side.user_features, user_count)
        self._user_codes = columns.user.codes_of(side.user_features, user_count)
        self._graph = ColumnFeatures(columns)

    def feed(self, user: int, moment: Moment, creators: RowArray) -> ColumnFeed:
        """For some creators, int64 [n]."""
        newest = moment.history[moment.history != NO_CREATOR]
        history = np.zeros((1, HISTORY_LENGTH, self._embeddings.shape[1]), np.float32)
        history[0, : len(newest)] = self._embeddings[newest]
        mask = (np.arange(HISTORY_LENGTH) < len(newest)).astype(np.float32)[None]
        return ColumnFeed(
            creator_numbers=self._creator_numbers[creators],
            creator_codes=self._creator_codes[creators],
            request_numbers=np.hstack([self._user_numbers[user : user + 1], moment.numbers]),
            request_codes=np.hstack([self._user_codes[user : user + 1], moment.codes]),
            embeddings=self._embeddings[creators],
            history=history,
            mask=mask,
        )

    def features(self, feed: ColumnFeed) -> FloatArray:
        """float32 [n, F]: what the ranker sees of it, codes at the end."""
        numbers = feed.creator_numbers, feed.request_numbers
        codes = feed.creator_codes, feed.request_codes
        vectors = feed.embeddings, feed.history, feed.mask
        with torch.no_grad():
            found: FloatArray = self._graph(*(tuple(map(torch.from_numpy, arrays)) for arrays in (numbers, codes, vectors))).numpy()
        return found
