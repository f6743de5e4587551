"""A learned space: users and creators as vectors whose dot product says how well they go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, RowArray


@dataclass(frozen=True)
class Space:
    """users: float32 [users, D]; creators: float32 [creators, D]."""

    users: FloatArray
    creators: FloatArray

    def scores(self, users: RowArray) -> FloatArray:
        """float32 [len(users), creators], all dot products."""
        scores: FloatArray = self.users[users] @ self.creators.T
        return scores

    def pairs(self, users: RowArray, candidates: RowArray) -> FloatArray:
        """float32 [len(users), n]: of each user with its row of candidates [len(users), n]."""
        return np.stack([self.creators[row] @ self.users[user] for user, row in zip(users, candidates, strict=True)])

    def first(self, dimension_count: int) -> Space:
        """The leading dimensions, which say the most."""
        return Space(self.users[:, :dimension_count], self.creators[:, :dimension_count])
