"""What the recipes train on: made-up creators, users and a week of what was shown and heard. Your own tables take its place.

Beside it, what every recipe writes: creators.parquet, users.parquet, and expected.parquet with the scores that the trainer got itself.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

DIMENSIONS = 16
GENRES = ("folk", "jazz", "rock", "techno")
COUNTRIES = ("SE", "GB", "IN", "BR")
CREATORS, USERS, SHOWN_PER_USER = 600, 120, 40
EXPECTED_ROWS = 400  # pairs whose scores the build compares: a mistake in the binding shows in nearly every one

Array = np.ndarray


@dataclass(frozen=True)
class Listening:
    """Creators and users by row, and what was shown to whom. Features are plain arrays, one entry per row; `country` and `age_days` have gaps.

    history: rows of creators heard before that week, the newest last. shown_user, shown_creator: rows, grouped by user. hour: of the day, float32.
    heard: 0 or 1; seconds: how long, float32.
    """

    creator_ids: list[str]
    creator_embedding: Array
    followers: Array
    genre: list[str]
    user_ids: list[str]
    user_embedding: Array
    age_days: list[float | None]
    country: list[str | None]
    history: list[list[int]]
    shown_user: Array
    shown_creator: Array
    hour: Array
    heard: Array
    seconds: Array

    def similarity(self, users: Array, creators: Array) -> Array:
        """`retrieval.similarity` of each pair, float32: the cosine, as `earshot build --space cosine` has it."""
        a, b = self.user_embedding[users], self.creator_embedding[creators]
        return ((a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).astype(np.float32)

    def age_or_nan(self, users: Array) -> Array:
        """`user.age_days` of each, float32, NaN where it is not known."""
        return np.array([np.nan if self.age_days[user] is None else self.age_days[user] for user in users], np.float32)


def make_listening(seed: int = 7) -> Listening:
    """The same creators, users and week for the same seed."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(len(GENRES), DIMENSIONS))
    genre, user_genre = rng.integers(0, len(GENRES), CREATORS), rng.integers(0, len(GENRES), USERS)
    creators = (taste[genre] + 0.8 * rng.normal(size=(CREATORS, DIMENSIONS))).astype(np.float32)
    users = (taste[user_genre] + 0.8 * rng.normal(size=(USERS, DIMENSIONS))).astype(np.float32)
    followers = np.exp(rng.normal(7, 2, CREATORS)).astype(np.int64)
    shown_user = np.repeat(np.arange(USERS), SHOWN_PER_USER)
    shown_creator = rng.integers(0, CREATORS, len(shown_user))
    hour = rng.integers(0, 24, len(shown_user)).astype(np.float32)
    liking = (users[shown_user] * creators[shown_creator]).sum(axis=1) / DIMENSIONS
    liking = liking + 0.2 * np.log(followers[shown_creator]) + 0.5 * np.cos((hour - 20) / 12 * np.pi) - 2
    heard = (liking + rng.logistic(size=len(liking)) > 0).astype(np.int64)
    return Listening(
        creator_ids=[f"creator-{i:04d}" for i in range(CREATORS)],
        creator_embedding=creators,
        followers=followers,
        genre=[GENRES[g] for g in genre],
        user_ids=[f"user-{i:03d}" for i in range(USERS)],
        user_embedding=users,
        age_days=[None if rng.random() < 0.2 else float(rng.integers(1, 2000)) for _ in range(USERS)],
        country=[None if rng.random() < 0.1 else COUNTRIES[rng.integers(len(COUNTRIES))] for _ in range(USERS)],
        history=[rng.choice(np.flatnonzero(genre == own), rng.integers(0, 30), replace=False).tolist() for own in user_genre],
        shown_user=shown_user,
        shown_creator=shown_creator,
        hour=hour,
        heard=heard,
        seconds=(heard * np.exp(rng.normal(4 + liking / 4, 0.5))).astype(np.float32),
    )


def write_tables(data: Listening, directory: Path) -> None:
    """creators.parquet and users.parquet, as `earshot build` reads them."""
    creators = {
        "creator_id": data.creator_ids,
        "embedding": pa.array(list(data.creator_embedding), pa.list_(pa.float32())),
        "followers": data.followers,
        "genre": data.genre,
    }
    users = {
        "user_id": data.user_ids,
        "embedding": pa.array(list(data.user_embedding), pa.list_(pa.float32())),
        "age_days": pa.array(data.age_days, pa.float32()),
        "country": pa.array(data.country, pa.string()),
        "history": pa.array([[data.creator_ids[row] for row in rows] for rows in data.history], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(creators), directory / "creators.parquet")
    pq.write_table(pa.table(users), directory / "users.parquet")


def write_expected(data: Listening, directory: Path, score: Callable[[Array, Array, Array], Array]) -> None:
    """expected.parquet: some of the pairs that were shown, scored by the trainer.

    score(user rows, creator rows, hours) -> one score for each, from the model in the library that trained it, never from the exported file.
    """
    some = np.random.default_rng(1).choice(len(data.shown_user), EXPECTED_ROWS, replace=False)
    users, creators, hours = data.shown_user[some], data.shown_creator[some], data.hour[some]
    scores = np.asarray(score(users, creators, hours), np.float64)
    rows = {
        "user_id": [data.user_ids[row] for row in users],
        "creator_id": [data.creator_ids[row] for row in creators],
        "context.hour": hours,
        "score": scores,
    }
    pq.write_table(pa.table(rows), directory / "expected.parquet")


def output_directory(description: str, **choices: tuple[str, ...]) -> tuple[Path, argparse.Namespace]:
    """The directory that the command line names, made if need be, and the other choices, each with its first value as default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=Path, help="directory for the files; made if it is not there")
    for name, values in choices.items():
        parser.add_argument(f"--{name}", choices=values, default=values[0], help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    return arguments.out, arguments


def print_build_command(directory: Path, **options: str) -> None:
    """The command that makes a bundle of the files in `directory`, to paste in the project's root. options: flags of this recipe; a value that is
    the name of a file in `directory` stands for that file."""
    files = {"creators": "creators.parquet", "users": "users.parquet", "ranker": "ranker.onnx", "expected": "expected.parquet"}
    words = [".venv/bin/earshot", "build"]
    for option, value in {**files, **options}.items():
        words += [f"--{option.replace('_', '-')}", str(directory / value) if (directory / value).is_file() else value]
    print(shlex.join([*words, "--out", str(directory / "bundle")]))
