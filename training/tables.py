"""Reads anybody's listening data: parquet or CSV of (user, creator, count or time, occasion), and side tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.arrays import AnyArray, RowArray
from domain.listens import NO_TIME, NO_USER, Listens, Plays, SideTables
from training.feature_columns import context_features, creator_features, user_features
from training.table_file import TableFiles, aligned, invalid, listed, read_table, seconds, text_entries

__all__ = ["TableFiles", "read_tables"]


def read_tables(files: TableFiles) -> tuple[Listens, SideTables]:
    """Everybody whom any of the files names, in the order of their ids. Raises InputNotFound, ArtifactError(INPUT_INVALID)."""
    plays = read_table(files.listens, ("user_id", "creator_id"))
    creators = None if files.creators is None else read_table(files.creators, ("creator_id",))
    users = None if files.users is None else read_table(files.users, ("user_id",))
    user_ids, creator_ids = _everybody("user_id", plays, users), _everybody("creator_id", plays, creators)
    listens = _listens(files.listens, plays, user_ids, creator_ids)
    return listens, _side(files, creators, users, listens)


def _listens(path: Path, table: pa.Table, user_ids: tuple[str, ...], creator_ids: tuple[str, ...]) -> Listens:
    users, creators = _codes(table["user_id"], user_ids), _codes(table["creator_id"], creator_ids)
    creator_count = max(1, len(creator_ids))
    pairs, places = np.unique(users * creator_count + creators, return_inverse=True)
    counts = np.bincount(places, _counts(path, table), minlength=len(pairs)).astype(np.float32)
    times, latest = seconds(table["time"]) if "time" in table.column_names else None, None
    if times is not None:
        latest = np.full(len(pairs), np.iinfo(np.int64).min)
        np.maximum.at(latest, places, times)
    context = context_features(path, table)
    plays = Plays(places, times, context) if context or times is not None else None
    return Listens(user_ids, creator_ids, pairs // creator_count, pairs % creator_count, counts, latest, plays)


def _counts(path: Path, table: pa.Table) -> AnyArray:
    counts: AnyArray = np.ones(len(table)) if "count" not in table.column_names else table["count"].cast(pa.float64()).to_numpy()
    if not np.all(np.isfinite(counts) & (counts > 0)):
        row = int(np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))[0])
        raise invalid(path, f'column "count", row {row}: {counts[row]} is no count; leave out what was not played')
    return counts


def _side(files: TableFiles, creators: pa.Table | None, users: pa.Table | None, listens: Listens) -> SideTables:
    creator_rows = _rows(files.creators, creators, "creator_id", listens.creator_ids)
    user_rows = _rows(files.users, users, "user_id", listens.user_ids)
    tag_creators, tags = text_entries(creator_rows, "tags")
    tag_names = tuple(sorted(tags.unique().to_pylist()))
    names = creator_rows["name"].cast(pa.string()).fill_null("").to_pylist() if "name" in creator_rows.column_names else [""] * len(creator_rows)
    return SideTables(
        names=tuple(names),
        tag_names=tag_names,
        tag_users=np.full(len(tags), NO_USER, np.int64),
        tag_creators=tag_creators,
        tags=_codes(tags, tag_names),
        friends=_links(user_rows, "friends", listens.user_ids),
        followed=_links(user_rows, "followed", listens.creator_ids),
        create_times_s=_create_times(creator_rows),
        markets=_markets(creator_rows),
        creator_features=creator_features(files.creators, creator_rows),
        user_features=user_features(files.users, user_rows),
    )


def _create_times(creators: pa.Table) -> RowArray | None:
    if "create_time" not in creators.column_names or not creators["create_time"].is_valid().to_numpy().any():
        return None
    times = creators["create_time"].cast(pa.timestamp("s")).cast(pa.int64()).fill_null(NO_TIME)
    return times.to_numpy().astype(np.int64)


def _markets(creators: pa.Table) -> tuple[tuple[str, ...] | None, ...] | None:
    if "markets" not in creators.column_names or pa.types.is_null(creators["markets"].type):
        return None
    return tuple(None if markets is None else tuple(markets) for markets in listed(creators["markets"]).to_pylist())


def _rows(path: Path | None, table: pa.Table | None, id_name: str, ids: tuple[str, ...]) -> pa.Table:
    """A row per id, in their order; the ids alone where there is no table."""
    return pa.table({id_name: pa.array(ids, pa.string())}) if table is None or path is None else aligned(path, table, id_name, ids)


def _links(users: pa.Table, name: str, ids: tuple[str, ...]) -> RowArray:
    """int64 [f, 2]: (user, whom the list names); who is nobody's id is left out."""
    rows, named = text_entries(users, name)
    codes = pc.fill_null(pc.index_in(named, pa.array(ids, pa.string())), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.stack([rows, codes], axis=1)[codes >= 0]


def _everybody(name: str, *tables: pa.Table | None) -> tuple[str, ...]:
    return tuple(sorted({value for table in tables if table is not None for value in table[name].unique().to_pylist()}))


def _codes(column: Any, ids: Sequence[str]) -> RowArray:
    codes: RowArray = pc.index_in(column, pa.array(ids, pa.string())).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
