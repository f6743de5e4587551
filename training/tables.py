"""Reads anybody's listening data: parquet or CSV of (user, creator, count or time), and side tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from domain.arrays import RowArray
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from domain.listens import NO_USER, Listens, SideTables

LIST_SEPARATOR = "|"  # in CSV, between the entries of tags, markets and friends


@dataclass(frozen=True)
class TableFiles:
    """listens: user_id, creator_id, and count (number) or time (timestamp), several rows of a pair being added up; a row without count is one play.
    creators: creator_id, and any of name, tags, create_time, markets. users: user_id, friends. Lists are list<string> in parquet, text with "|"
    between the entries in CSV."""

    listens: Path
    creators: Path | None = None
    users: Path | None = None


def read_tables(files: TableFiles) -> tuple[Listens, SideTables]:
    """Everybody whom any of the files names, in the order of their ids. Raises InputNotFound, ArtifactError(INPUT_INVALID)."""
    plays = _read(files.listens, ("user_id", "creator_id"))
    creators = None if files.creators is None else _read(files.creators, ("creator_id",))
    users = None if files.users is None else _read(files.users, ("user_id",))
    user_ids, creator_ids = _everybody("user_id", plays, users), _everybody("creator_id", plays, creators)
    listens = _listens(files.listens, plays, user_ids, creator_ids)
    return listens, _side(creators, users, listens)


def _listens(path: Path, plays: pa.Table, user_ids: tuple[str, ...], creator_ids: tuple[str, ...]) -> Listens:
    users, creators = _codes(plays, "user_id", user_ids), _codes(plays, "creator_id", creator_ids)
    counts = np.ones(len(plays)) if "count" not in plays.column_names else plays["count"].cast(pa.float64()).to_numpy()
    if not np.all(np.isfinite(counts) & (counts > 0)):
        row = int(np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))[0])
        raise _invalid(path, f'column "count", row {row}: {counts[row]} is no count; leave out what was not played')
    times = _seconds(plays["time"]) if "time" in plays.column_names else None
    pairs, places = np.unique(users * max(1, len(creator_ids)) + creators, return_inverse=True)
    latest = None
    if times is not None:
        latest = np.full(len(pairs), np.iinfo(np.int64).min)
        np.maximum.at(latest, places, times)
    summed = np.bincount(places, counts, minlength=len(pairs)).astype(np.float32)
    return Listens(user_ids, creator_ids, pairs // max(1, len(creator_ids)), pairs % max(1, len(creator_ids)), summed, latest)


def _side(creators: pa.Table | None, users: pa.Table | None, listens: Listens) -> SideTables:
    creator_rows = _by_id(creators, "creator_id", listens.creator_ids)
    tag_creators, tags = _entries(creators, "tags", creator_rows)
    friend_users, friends = _entries(users, "friends", _by_id(users, "user_id", listens.user_ids))
    tag_names = tuple(sorted(set(tags)))
    places = {name: place for place, name in enumerate(tag_names)}
    codes = {user_id: code for code, user_id in enumerate(listens.user_ids)}
    pairs = [(user, codes[friend]) for user, friend in zip(friend_users, friends, strict=True) if friend in codes]
    return SideTables(
        names=_per_creator(creators, "name", creator_rows, len(listens.creator_ids)),
        tag_names=tag_names,
        tag_users=np.full(len(tags), NO_USER, np.int64),
        tag_creators=np.array(tag_creators, np.int64),
        tags=np.array([places[tag] for tag in tags], np.int64),
        friends=np.array(pairs, np.int64).reshape(-1, 2),
    )


def _per_creator(table: pa.Table | None, name: str, rows: Sequence[int], count: int) -> tuple[str, ...]:
    if table is None or name not in table.column_names:
        return ("",) * count
    values = [""] * count
    for code, value in zip(rows, table[name].to_pylist(), strict=True):
        values[code] = value or ""
    return tuple(values)


def _entries(table: pa.Table | None, name: str, rows: Sequence[int]) -> tuple[list[int], list[str]]:
    """(whose, what) of every entry of a list column."""
    if table is None or name not in table.column_names:
        return [], []
    owners, entries = [], []
    for code, value in zip(rows, table[name].to_pylist(), strict=True):
        listed = value.split(LIST_SEPARATOR) if isinstance(value, str) else value or []
        owners += [code] * len([entry for entry in listed if entry])
        entries += [entry for entry in listed if entry]
    return owners, entries


def _by_id(table: pa.Table | None, name: str, ids: Sequence[str]) -> list[int]:
    codes = {value: code for code, value in enumerate(ids)}
    return [] if table is None else [codes[value] for value in table[name].to_pylist()]


def _everybody(name: str, *tables: pa.Table | None) -> tuple[str, ...]:
    return tuple(sorted({value for table in tables if table is not None for value in table[name].unique().to_pylist()}))


def _codes(table: pa.Table, name: str, ids: Sequence[str]) -> RowArray:
    codes: RowArray = pc.index_in(table[name], pa.array(ids, pa.string())).to_numpy().astype(np.int64)
    return codes


def _seconds(column: Any) -> RowArray:
    seconds: RowArray = column.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    return seconds


def _read(path: Path, ids: tuple[str, ...]) -> pa.Table:
    """The file's table, ids as text; every one of them present in every row."""
    if not path.is_file():
        raise InputNotFound(path, "no such file; name an existing one")
    try:
        options = pv.ConvertOptions(column_types=dict.fromkeys(ids, pa.string()))
        table = pq.read_table(path) if path.suffix == ".parquet" else pv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, OSError) as problem:
        raise _invalid(path, f"cannot be read: {problem}") from problem
    for name in ids:
        if name not in table.column_names:
            raise _invalid(path, f'column "{name}" is missing; the file has: {", ".join(table.column_names)}')
        if table[name].null_count or pc.any(pc.equal(table[name].cast(pa.string()), "")).as_py():
            raise _invalid(path, f'column "{name}" has rows without an id; leave them out')
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
    return table


def _invalid(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.INPUT_INVALID, text)
