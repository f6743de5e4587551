"""The demo's parquet files, in the column types that `earshot build` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.knowledge import Knowledge
from demo.listens import ACTIVITIES, Session
from demo.names import COUNTRIES
from demo.world import GENRES, TIERS
from domain.arrays import AnyArray, RowArray

_FLOATS = pa.list_(pa.float32())
_STRINGS = pa.list_(pa.string())


def write_creators(known: Knowledge, path: Path) -> None:
    """creators.parquet: null markets mean everywhere, a null completion rate means too few listens."""
    creators = known.world.creators
    markets = [
        None if all_of_them else _named(COUNTRIES, np.flatnonzero(row))
        for row, all_of_them in zip(creators.available, creators.everywhere, strict=True)
    ]
    columns = {
        "creator_id": pa.array(creators.ids, pa.string()),
        "name": pa.array(creators.names, pa.string()),
        "embedding": pa.array(list(known.creator_embedding), _FLOATS),
        "markets": pa.array(markets, _STRINGS),
        "tier": pa.array(_named(TIERS, creators.tier), pa.string()),
        "labels": pa.array(creators.labels, _STRINGS),
        "create_time": pa.array(creators.create_time_s, pa.timestamp("s", tz="UTC")).cast(pa.timestamp("ms", tz="UTC")),
        "genre": pa.array(_named(GENRES, creators.genre), pa.string()),
        "genre_mix": pa.array(list(known.genre_mix), _FLOATS),
        "country": pa.array(_named(COUNTRIES, creators.country), pa.string()),
        "followers": pa.array(creators.followers, pa.int64()),
        "release_count": pa.array(creators.release_count, pa.int32()),
        "energy": pa.array(creators.energy, pa.float32()),
        "completion_rate": pa.array(known.completion_rate, pa.float32(), from_pandas=True),
        "verified": pa.array(creators.verified, pa.bool_()),
    }
    _write(columns, path)


def write_users(known: Knowledge, path: Path) -> None:
    """users.parquet: history newest last, empty for newcomers."""
    listeners, ids = known.world.listeners, known.world.creators.ids
    columns = {
        "user_id": pa.array(listeners.ids, pa.string()),
        "embedding": pa.array(list(known.listener_embedding), _FLOATS),
        "followed": pa.array([_named(ids, rows) for rows in known.followed], _STRINGS),
        "country": pa.array(_named(COUNTRIES, listeners.country), pa.string()),
        "favourite_genre": pa.array(_named(GENRES, listeners.favourite_genre), pa.string()),
        "genre_affinity": pa.array(list(known.genre_affinity), _FLOATS),
        "age_days": pa.array(listeners.age_days, pa.int32()),
        "history": pa.array([_named(ids, rows) for rows in known.history_now], _STRINGS),
    }
    _write(columns, path)


def write_heldout(known: Knowledge, session: Session, path: Path) -> None:
    """heldout.parquet: per listener the market and context of one session, and the creators played in it."""
    listeners = known.world.listeners
    columns = {
        "user_id": pa.array(listeners.ids, pa.string()),
        "market": pa.array(_named(COUNTRIES, listeners.country), pa.string()),
        "context.hour": pa.array(session.hour, pa.float32()),
        "context.activity": pa.array([activity_name(code) for code in session.activity], pa.string()),
        "creator_ids": pa.array([_named(known.world.creators.ids, rows) for rows in session.played], _STRINGS),
    }
    _write(columns, path)


def write_expected(rows: Sequence[tuple[str, str, float | None, str | None, float]], path: Path) -> None:
    """expected.parquet from (user id, creator id, hour, activity, score); a null hour or activity was not said."""
    users, creators, hours, activities, scores = zip(*rows, strict=True)
    columns = {
        "user_id": pa.array(users, pa.string()),
        "creator_id": pa.array(creators, pa.string()),
        "context.hour": pa.array(hours, pa.float32()),
        "context.activity": pa.array(activities, pa.string()),
        "score": pa.array(scores, pa.float32()),
    }
    _write(columns, path)


def activity_name(code: int) -> str | None:
    """The activity of a code, None for "not said"."""
    return ACTIVITIES[code - 1] if code else None


def _named(names: Sequence[str], codes: AnyArray | RowArray) -> list[str]:
    return [names[code] for code in codes]


def _write(columns: dict[str, Any], path: Path) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=9)
