"""The demo world as the files that anybody would have: who played whom when and on what occasion, and side tables. `earshot train` makes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.listens import ACTIVITIES, Session, Story
from demo.names import COUNTRIES
from demo.world import END_OF_STORY_S, GENRES, TIERS, World, WorldCreators
from domain.arrays import AnyArray

STORY_DAYS = 360  # from the first session to the one that is held out
SECONDS_PER_LISTEN = 180
LEAN = 0.15  # share of a second genre at which a creator is tagged with it
COMPLETION_AGE_DAYS = 60  # whoever joined later has too few listens for a completion rate
_DAY_S, _HOUR_S = 86_400, 3_600
_STRINGS = pa.list_(pa.string())


def write_listens(world: World, story: Story, path: Path) -> None:
    """listens.parquet: a row per play; a null activity was not said. Of the session that is held out nothing is in it."""
    parts = [_plays(world, session) for session in (*story.before, *story.ranked)]
    users, rows, times, hours, activities = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = {
        "user_id": _named(world.listeners.ids, users),
        "creator_id": _named(world.creators.ids, rows),
        "time": pa.array(times, pa.timestamp("s", tz="UTC")),
        "context.hour": pa.array(hours, pa.float32()),
        "context.activity": _activities(activities),
    }
    _write(columns, path)


def write_creators(world: World, path: Path, seed: int) -> None:
    """creators.parquet: null markets mean everywhere, a null completion rate means too few listens."""
    creators = world.creators
    columns = {
        "creator_id": pa.array(creators.ids, pa.string()),
        "name": pa.array(creators.names, pa.string()),
        "tags": pa.array(_tags(creators), _STRINGS),
        "markets": pa.array(_markets(creators), _STRINGS),
        "tier": _named(TIERS, creators.tier),
        "labels": pa.array(creators.labels, _STRINGS),
        "create_time": pa.array(creators.create_time_s, pa.timestamp("s", tz="UTC")),
        "genre": _named(GENRES, creators.genre),
        "country": _named(COUNTRIES, creators.country),
        "followers": pa.array(creators.followers, pa.int64()),
        "release_count": pa.array(creators.release_count, pa.int32()),
        "energy": pa.array(creators.energy, pa.float32()),
        "completion_rate": pa.array(_completion_rate(creators, seed), pa.float32(), from_pandas=True),
        "verified": pa.array(creators.verified, pa.bool_()),
    }
    _write(columns, path)


def write_users(world: World, story: Story, path: Path) -> None:
    """users.parquet: genre is the favourite one, country the home."""
    listeners = world.listeners
    columns = {
        "user_id": pa.array(listeners.ids, pa.string()),
        "followed": _lists(world.creators.ids, story.followed),
        "country": _named(COUNTRIES, listeners.country),
        "genre": _named(GENRES, listeners.favourite_genre),
        "age_days": pa.array(listeners.age_days, pa.int32()),
    }
    _write(columns, path)


def write_heldout(world: World, session: Session, path: Path) -> None:
    """heldout.parquet: per listener the market and context of one session, and the creators played in it."""
    columns = {
        "user_id": pa.array(world.listeners.ids, pa.string()),
        "market": _named(COUNTRIES, world.listeners.country),
        "context.hour": pa.array(session.hour, pa.float32()),
        "context.activity": _activities(session.activity),
        "creator_ids": _lists(world.creators.ids, session.played),
    }
    _write(columns, path)


def _plays(world: World, session: Session) -> tuple[AnyArray, ...]:
    """(listeners, rows, times in s, hours, activities), a play each."""
    lengths = np.array([len(rows) for rows in session.played])
    users = np.repeat(np.arange(len(world.listeners)), lengths)
    places = np.arange(len(users)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    day_s = END_OF_STORY_S - round((1.0 - session.moment) * STORY_DAYS) * _DAY_S
    times = day_s + session.hour[users].astype(np.int64) * _HOUR_S + places * SECONDS_PER_LISTEN
    return users, np.concatenate(session.played), times, session.hour[users], session.activity[users]


def _tags(creators: WorldCreators) -> list[list[str]]:
    """Genre, the second genre where there is enough of it, and where they come from."""
    second = np.argsort(-creators.genre_mix, axis=1, kind="stable")[:, 1]
    strong = creators.genre_mix[np.arange(len(creators)), second] >= LEAN
    named = zip(creators.genre, second, strong, creators.country, strict=True)
    return [[GENRES[genre], *([GENRES[other]] if there else []), f"from {COUNTRIES[country]}"] for genre, other, there, country in named]


def _markets(creators: WorldCreators) -> list[list[str] | None]:
    rows = zip(creators.available, creators.everywhere, strict=True)
    return [None if everywhere else [COUNTRIES[code] for code in np.flatnonzero(row)] for row, everywhere in rows]


def _completion_rate(creators: WorldCreators, seed: int) -> AnyArray:
    """float64 [N]: how often a listen is finished: quality, seen through some noise."""
    noise = np.random.default_rng([seed, 3]).normal(0.0, 0.3, len(creators))
    rate = 1.0 / (1.0 + np.exp(-(0.4 + 0.6 * creators.quality + noise)))
    return np.where(END_OF_STORY_S - creators.create_time_s < COMPLETION_AGE_DAYS * _DAY_S, np.nan, rate)


def _activities(codes: AnyArray) -> Any:
    return _named((None, *ACTIVITIES), codes)


def _named(names: Sequence[str | None], codes: AnyArray) -> Any:
    return pa.array(names, pa.string()).take(pa.array(codes, pa.int64()))


def _lists(names: Sequence[str], rows: Sequence[AnyArray]) -> Any:
    return pa.array([[names[row] for row in some] for some in rows], _STRINGS)


def _write(columns: dict[str, Any], path: Path) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=9)
