"""The ranker's inputs, made of the columns of creators.parquet and users.parquet, as the binding feeds them."""

from __future__ import annotations

import numpy as np

from domain.arrays import AnyArray, RowArray
from domain.listens import SideTables
from training.column_inputs import ColumnInputs, Moment
from training.graph import column_inputs
from training.pipeline import Trained


class RankerInputs:
    """Assembles them from what was trained. Immutable."""

    def __init__(self, trained: Trained, side: SideTables) -> None:
        """side: what the training was given."""
        space = trained.towers.space
        self._trained = trained
        self._columns = ColumnInputs(trained.columns, side, len(space.users), space.creators)

    def feed(self, user: int, creators: RowArray, moment: Moment) -> dict[str, AnyArray]:
        """Arrays by input, in the order of the binding, for creators int64 [n]."""
        known, stage1, columns = self._trained.known, self._trained.towers.space, self._trained.columns
        given = self._columns.feed(user, moment, creators)
        vectors = [space.creators[creators] for space in (known.taste, known.neighbours, known.tags)]
        facts = [known.listeners[creators], known.content[creators, -1], stage1.creators[creators] @ stage1.users[user]]
        own = [
            known.taste.users[user],
            known.neighbours.users[user],
            known.tags.users[user],
            known.friends[user],
            known.history_length[user : user + 1],
        ]
        embeddings = [given.embeddings] if columns.history else []
        arrays: dict[str, AnyArray] = {
            "candidates": np.hstack([*vectors, np.stack(facts, axis=1), given.creator_numbers, *embeddings]).astype(np.float32),
            "user": np.hstack([np.concatenate(own)[None], given.request_numbers]).astype(np.float32),
            "creator_codes": given.creator_codes,
            "user_codes": given.request_codes,
            "history": given.history,
            "history_mask": given.mask,
        }
        return {name: arrays[name] for name in ("candidates", "user", *column_inputs(columns))}
