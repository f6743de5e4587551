"""Reads the HetRec 2011 Last.fm files (2,000 listeners, dated tags, friends) from the directory where they were unpacked.

Source of the format: the data set's own readme. Its terms are non-commercial use: it is read from a path, never copied into the project.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from domain.arrays import RowArray
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from domain.listens import NO_USER, Listens, SideTables

ARTISTS, LISTENS, TAGS, TAGGINGS, FRIENDS = "artists.dat", "user_artists.dat", "tags.dat", "user_taggedartists.dat", "user_friends.dat"


def read_lastfm(directory: Path) -> tuple[Listens, SideTables]:
    """All listens and side tables. Users and creators in the order of their numbers; every artist of artists.dat is a creator.

    Raises InputNotFound, ArtifactError(INPUT_INVALID) with file and line.
    """
    artists = _read(directory / ARTISTS, 2)
    rows = _read(directory / LISTENS, 3)
    user_ids = tuple(sorted({row[0] for row in rows}, key=_number))
    users = {user_id: code for code, user_id in enumerate(user_ids)}
    creators = {row[0]: code for code, row in enumerate(artists)}
    known = [row for row in rows if row[1] in creators]
    listens = Listens(
        user_ids=user_ids,
        creator_ids=tuple(creators),
        users=_codes(users, known, 0),
        creators=_codes(creators, known, 1),
        counts=np.array([float(row[2]) for row in known], np.float32),
    )
    return listens, _side_tables(directory, artists, users, creators)


def _side_tables(directory: Path, artists: Sequence[list[str]], users: dict[str, int], creators: dict[str, int]) -> SideTables:
    tag_rows = _read(directory / TAGS, 2, "latin-1")
    tags = {row[0]: code for code, row in enumerate(tag_rows)}
    given = [row for row in _read(directory / TAGGINGS, 6) if row[1] in creators and row[2] in tags]
    pairs = [row for row in _read(directory / FRIENDS, 2) if row[0] in users and row[1] in users]
    return SideTables(
        names=tuple(row[1] for row in artists),
        tag_names=tuple(row[1] for row in tag_rows),
        tag_users=np.array([users.get(row[0], NO_USER) for row in given], np.int64),
        tag_creators=_codes(creators, given, 1),
        tags=_codes(tags, given, 2),
        tag_times_s=np.array([_seconds(row) for row in given], np.int64),
        friends=np.stack([_codes(users, pairs, 0), _codes(users, pairs, 1)], axis=1),
    )


def _codes(codes: dict[str, int], rows: Sequence[list[str]], column: int) -> RowArray:
    return np.fromiter((codes[row[column]] for row in rows), np.int64, len(rows))


def _seconds(row: list[str]) -> int:
    """Midnight UTC of the day that the columns day, month and year name."""
    return int(datetime(int(row[5]), int(row[4]), int(row[3]), tzinfo=UTC).timestamp())


def _number(user_id: str) -> tuple[int, str]:
    return (int(user_id), user_id) if user_id.isdecimal() else (-1, user_id)


def _read(path: Path, column_count: int, encoding: str = "utf-8") -> list[list[str]]:
    """The rows below the header, split at tabs."""
    try:
        text = path.read_text(encoding=encoding)
    except OSError as problem:
        raise InputNotFound(path, f"cannot be read ({problem.strerror}); name the directory of the unpacked data set") from problem
    except UnicodeDecodeError as problem:
        raise ArtifactError(path, ArtifactReason.INPUT_INVALID, f"is not {encoding}: {problem}; unpack the data set anew") from problem
    rows = [line.split("\t") for line in text.split("\n")[1:] if line]
    for number, row in enumerate(rows, start=2):
        if len(row) < column_count:
            what = f"line {number} has {len(row)} columns, not {column_count}; unpack the data set anew"
            raise ArtifactError(path, ArtifactReason.INPUT_INVALID, what)
    return rows
