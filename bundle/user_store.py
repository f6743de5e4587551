"""Listed users, served from a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Column, FeatureArray, Users
from domain.deadline import Deadline
from domain.request import User
from domain.stages import UserSource

_NO_CONTEXT: Mapping[str, FeatureArray] = MappingProxyType({})
_NOBODY = np.empty(0, np.int64)
_NOBODY.flags.writeable = False


class RowFeatures(Mapping[str, FeatureArray]):
    """The stored features of one row. Nothing is read before it is asked for; an absent value is a missing key."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: Mapping[str, Column], row: int) -> None:
        self._columns = columns
        self._row = row

    def __getitem__(self, name: str) -> FeatureArray:
        value = self._columns[name].at(self._row)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        column = self._columns.get(name) if isinstance(name, str) else None
        return column is not None and (column.present is None or bool(column.present[self._row]))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._columns if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


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
