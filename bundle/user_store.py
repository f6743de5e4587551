"""Listed users, served from a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from domain.arrays import AnyArray
from domain.columns import FeatureArray, RowFeatures, Users
from domain.deadline import Deadline
from domain.request import User
from domain.stages import UserSource

_NO_CONTEXT: Mapping[str, FeatureArray] = MappingProxyType({})
_NOBODY = np.empty(0, np.int64)
_NOBODY.flags.writeable = False


class BundleUsers(UserSource):
    """Looks users up in memory-mapped columns: one binary search, no copies. Safe from any thread."""

    def __init__(self, users: Users) -> None:
        self.users = users

    def __len__(self) -> int:
        return len(self.users)

    def look_up(self, user_id: str, deadline: Deadline) -> User | None:  # noqa: ARG002 - a local search takes microseconds: nothing to give up
        """See `UserSource`."""
        row = self.users.row_of(user_id)
        if row is None:
            return None
        return User(user_id, self.users.embeddings[row], RowFeatures(self.users.columns, row), _NO_CONTEXT, self._followed(row))

    def _followed(self, row: int) -> AnyArray:
        column = self.users.followed
        if column is None or column.offsets is None:
            return _NOBODY
        return column.values[column.offsets[row] : column.offsets[row + 1]]
