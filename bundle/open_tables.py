"""Opens creators/ and users/: memory-mapped and read-only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from bundle.layout import (
    CREATORS,
    EMBEDDINGS,
    EVERYWHERE,
    EVERYWHERE_ROWS,
    FOLLOWED,
    ID_ORDER,
    ID_RANKS,
    IDS,
    MARKET_ROWS,
    MARKETS,
    NAMES,
    NORMS,
    TIERS,
    USERS,
    column_stem,
    offsets_file,
    present_file,
    values_file,
)
from bundle.npy import open_npy
from bundle.table import TableDescription, read_table
from domain.arrays import AnyArray, RowArray
from domain.columns import Column, ColumnKind, ColumnMeaning, ColumnSpec, Creators, Markets, Users
from domain.errors import ArtifactError, ArtifactReason

NAME_SPEC = ColumnSpec("name", ColumnKind.SEQUENCE, "uint8", 0)
FOLLOWED_SPEC = ColumnSpec("followed", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR)


class SlicedRows(Sequence[RowArray]):
    """Row lists laid end to end: the i-th is rows[offsets[i]:offsets[i + 1]], a view."""

    def __init__(self, rows: RowArray, offsets: RowArray) -> None:
        self.rows, self.offsets = rows, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> RowArray: ...
    @overload
    def __getitem__(self, index: slice) -> list[RowArray]: ...
    def __getitem__(self, index: int | slice) -> RowArray | list[RowArray]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        return self.rows[self.offsets[place] : self.offsets[place + 1]]


def open_creators(directory: Path) -> Creators:
    """The catalogue in directory/creators. FEATURES_INVALID when an array is not what table.json says."""
    table = directory / CREATORS
    description = read_table(table)
    count = description.count
    return Creators(
        ids=open_npy(table / IDS, "S", (count,)),
        id_order=open_npy(table / ID_ORDER, np.int64, (count,)),
        id_ranks=open_npy(table / ID_RANKS, np.int64, (count,)),
        embeddings=open_npy(table / EMBEDDINGS, np.float32, (count, description.dimension_count)),
        norms=open_npy(table / NORMS, np.float32, (count,)),
        columns=_open_columns(table, description),
        tiers=None if description.tier_names is None else open_npy(table / TIERS, np.uint8, (count,)),
        tier_names=description.tier_names or ("",),
        names=open_sequence(table / NAMES, NAME_SPEC, count) if description.named else None,
        markets=None if description.market_names is None else _open_markets(table, description.market_names, count),
    )


def open_users(directory: Path) -> Users | None:
    """The users in directory/users, or None when there is no such folder."""
    table = directory / USERS
    if not os.path.lexists(table):
        return None
    description = read_table(table)
    count = description.count
    return Users(
        ids=open_npy(table / IDS, "S", (count,)),
        id_order=open_npy(table / ID_ORDER, np.int64, (count,)),
        embeddings=open_npy(table / EMBEDDINGS, np.float32, (count, description.dimension_count)),
        columns=_open_columns(table, description),
        followed=open_sequence(table / FOLLOWED, FOLLOWED_SPEC, count) if description.followed else None,
    )


def open_column(stem: Path, spec: ColumnSpec, count: int) -> Column:
    """One feature column of `count` rows."""
    if spec.kind is ColumnKind.SEQUENCE:
        return open_sequence(stem, spec, count)
    shape = (count,) if spec.kind is ColumnKind.SCALAR else (count, spec.width)
    return Column(spec, open_npy(values_file(stem), spec.dtype, shape), None, _open_present(stem, count))


def open_sequence(stem: Path, spec: ColumnSpec, count: int) -> Column:
    """A sequence or text column; its offsets end where its values end."""
    offsets = open_npy(offsets_file(stem), np.int64, (count + 1,))
    values = open_npy(values_file(stem), spec.dtype, (None,))
    if offsets[-1] != len(values):
        text = f"the offsets end at {offsets[-1]}, and there are {len(values)} values; build the bundle again"
        raise ArtifactError(offsets_file(stem), ArtifactReason.FEATURES_INVALID, text)
    return Column(spec, values, offsets, _open_present(stem, count))


def _open_columns(table: Path, description: TableDescription) -> dict[str, Column]:
    return {spec.name: open_column(column_stem(table, spec.name), spec, description.count) for spec in description.columns}


def _open_present(stem: Path, count: int) -> AnyArray | None:
    path = present_file(stem)
    return open_npy(path, np.bool_, (count,)) if os.path.lexists(path) else None


def _open_markets(table: Path, names: tuple[str, ...], count: int) -> Markets:
    byte_count = -(-count // 8)
    spec = ColumnSpec("markets", ColumnKind.SEQUENCE, "int64", 0)
    rows = open_sequence(table / MARKET_ROWS, spec, len(names))
    assert rows.offsets is not None  # a sequence has offsets
    return Markets(
        codes={name: code for code, name in enumerate(names)},
        bitmaps=open_npy(table / MARKETS, np.uint8, (len(names), byte_count)),
        everywhere=open_npy(table / EVERYWHERE, np.uint8, (byte_count,)),
        rows=SlicedRows(rows.values, rows.offsets),
        everywhere_rows=open_npy(table / EVERYWHERE_ROWS, np.int64, (None,)),
    )
