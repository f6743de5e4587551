"""Columns of creators, of users and of the request: what the catalogue stores and the ranker reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from domain.arrays import AnyArray, BoolArray, FloatArray, IdArray, RowArray


class ColumnKind(StrEnum):
    """The shape of one value of a column."""

    SCALAR = "scalar"
    VECTOR = "vector"
    SEQUENCE = "sequence"


class ColumnMeaning(StrEnum):
    """What the stored numbers stand for."""

    NUMBER = "number"
    TIME = "time"  # int64 UTC seconds since 1970
    CATEGORY = "category"  # int64 codes of the column's vocabulary
    CREATOR = "creator"  # int64 rows of the catalogue


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What a column holds. `name` comes without its side (`followers`, not `creator.followers`).

    dtype is the NumPy name of the stored element; width is 1 for a scalar, the length of a vector, 0 for a sequence.
    """

    name: str
    kind: ColumnKind
    dtype: str
    width: int = 1
    meaning: ColumnMeaning = ColumnMeaning.NUMBER


@dataclass(frozen=True, slots=True)
class Column:
    """The stored values of one column for N rows, memory-mapped or in memory, read-only.

    scalar: values [N]; vector: values [N, width]; sequence: values [total] and offsets int64 [N + 1], row r being values[offsets[r]:offsets[r+1]].
    present: bool [N], or None when every row has a value. Where it is False the stored value is zero (or empty) and means nothing:
    the default comes from the ranker's binding.
    """

    spec: ColumnSpec
    values: AnyArray
    offsets: RowArray | None = None
    present: BoolArray | None = None

    def at(self, row: int) -> AnyArray | np.generic | None:
        """The value of one row: a NumPy scalar, a vector [width], or a sequence [length]; None where it is absent."""
        if self.present is not None and not self.present[row]:
            return None
        if self.offsets is None:
            value: AnyArray | np.generic = self.values[row]
            return value
        return self.values[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Turns categories into int64 codes: the i-th of `values` is `first + i`, everything else is `unknown`. Source: DESIGN section 4."""

    values: tuple[str, ...]
    first: int = 0
    unknown: int = -1
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_codes", {value: self.first + i for i, value in enumerate(self.values)})

    def code(self, value: str) -> int:
        """The code of one category."""
        return self._codes.get(value, self.unknown)

    def encode(self, values: Sequence[str]) -> RowArray:
        """The codes of many categories, int64 of the same length."""
        get, unknown = self._codes.get, self.unknown
        return np.fromiter((get(value, unknown) for value in values), np.int64, len(values))


FeatureArray = AnyArray | np.generic
"""The value of one feature of one user or request: a NumPy scalar, a vector [width], or a sequence [length] (oldest first, newest last)."""

Features = Mapping[str, FeatureArray]
"""Values by column name without the side. A missing key is an absent value: the ranker's binding has its default or the request is invalid."""


class RowFeatures(Mapping[str, FeatureArray]):
    """The stored features of one row of a table's columns. Nothing is read before it is asked for; an absent value is a missing key."""

    __slots__ = ("columns", "row")

    def __init__(self, columns: Mapping[str, Column], row: int) -> None:
        self.columns = columns
        self.row = row

    def __getitem__(self, name: str) -> FeatureArray:
        value = self.columns[name].at(self.row)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:  # Mapping's own goes by way of an exception
        """As of any mapping."""
        column = self.columns.get(name)
        value = None if column is None else column.at(self.row)
        return default if value is None else value

    def __contains__(self, name: object) -> bool:
        column = self.columns.get(name) if isinstance(name, str) else None
        return column is not None and (column.present is None or bool(column.present[self.row]))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.columns if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class InputSchema:
    """What the caller may send for the ranker: `user.` and `context.` columns by name without the side, and the vocabularies of their categories
    by full name (`user.country`)."""

    user: Mapping[str, ColumnSpec]
    context: Mapping[str, ColumnSpec]
    vocabularies: Mapping[str, Vocabulary]


@dataclass(frozen=True, slots=True)
class Creators:
    """The catalogue: N creators in columns, read-only and usually memory-mapped; safe to share between threads and forked processes.

    ids: bytes 'S<width>' [N] in row order. id_order: int64 [N], rows sorted by id. id_ranks: int64 [N], its inverse (ties break by it).
    embeddings: float32 [N, D] as given; norms: float32 [N]. columns: features by name without `creator.`; `create_time` is among them if given.
    tiers: uint8 codes [N] into tier_names (code 0 is "" for none), or None. names: UTF-8 bytes values and offsets as in a sequence, or None.
    markets: None when every creator is available everywhere.
    """

    ids: IdArray
    id_order: RowArray
    id_ranks: RowArray
    embeddings: FloatArray
    norms: FloatArray
    columns: Mapping[str, Column]
    tiers: AnyArray | None
    tier_names: tuple[str, ...]
    names: Column | None
    markets: Markets | None

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, creator_ids: Sequence[str]) -> RowArray:
        """The rows of those ids that are creators, int64, in the order given; unknown ids are left out. Cost: one binary search for all."""
        width = self.ids.dtype.itemsize
        keys = [key for key in (i.encode() for i in creator_ids) if 0 < len(key) <= width and key[-1]]  # comparing drops trailing NULs
        if not keys:
            return np.empty(0, np.int64)
        wanted = np.array(keys, self.ids.dtype)
        places = self.ids.searchsorted(wanted, sorter=self.id_order)  # the method: np.searchsorted adds 0.6 us
        rows = self.id_order[np.minimum(places, len(self.ids) - 1)]
        found: RowArray = rows[self.ids[rows] == wanted]
        return found

    def ids_of(self, rows: RowArray) -> list[str]:
        """The ids of rows."""
        return [i.decode() for i in self.ids[rows].tolist()]

    def names_of(self, rows: RowArray) -> list[str]:
        """The names of rows; empty strings where there are none."""
        if self.names is None or self.names.offsets is None:
            return [""] * len(rows)
        starts, ends = self.names.offsets[rows].tolist(), self.names.offsets[rows + 1].tolist()
        return [self.names.values[s:e].tobytes().decode() for s, e in zip(starts, ends, strict=True)]


@dataclass(frozen=True, slots=True)
class Markets:
    """Where creators are available.

    codes: market name -> its place m. bitmaps: uint8 [M, ceil(N / 8)], bit r of bitmap m (np.packbits order 'little') set when row r is available
    in market m, creators available everywhere included. everywhere: uint8 [ceil(N / 8)], those available in every market, for unknown ones.
    rows: per market the int64 rows that are available there, ascending. everywhere_rows: the same for `everywhere`.
    """

    codes: Mapping[str, int]
    bitmaps: AnyArray
    everywhere: AnyArray
    rows: Sequence[RowArray]
    everywhere_rows: RowArray


@dataclass(frozen=True, slots=True)
class Users:
    """Listed users, laid out as `Creators`. followed: int64 rows of creators as a sequence column, or None. columns: without `user.`."""

    ids: IdArray
    id_order: RowArray
    embeddings: FloatArray
    columns: Mapping[str, Column]
    followed: Column | None

    def __len__(self) -> int:
        return len(self.ids)

    def row_of(self, user_id: str) -> int | None:
        """The row of one user, or None."""
        key = user_id.encode()
        if not 0 < len(key) <= self.ids.dtype.itemsize:
            return None
        place = int(self.ids.searchsorted(np.array(key, self.ids.dtype), sorter=self.id_order))
        if place == len(self.ids):
            return None
        row = int(self.id_order[place])
        return row if self.ids[row] == key else None
