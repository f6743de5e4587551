"""A small world of listens with two scenes, tags that tell them apart and friends, as written files and as arrays."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

USER_COUNT, CREATOR_COUNT = 90, 120


def plays(seed: int = 3) -> list[tuple[str, str, int]]:
    """(user, creator, count), distinct pairs: users mostly play their own scene, half of the creators."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(USER_COUNT):
        liking = np.where(np.arange(CREATOR_COUNT) % 2 == user % 2, 9.0, 1.0) / (1.0 + np.arange(CREATOR_COUNT))
        played = random.choice(CREATOR_COUNT, 18, replace=False, p=liking / liking.sum())
        rows += [(f"u{user}", f"c{creator}", int(random.integers(1, 200))) for creator in played]
    return rows


def write_plays(rows: list[tuple[str, str, int]], path: Path) -> Path:
    """listens.csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("user_id", "creator_id", "count"), *rows])
    return path


def write_side(directory: Path) -> tuple[Path, Path]:
    """creators.csv, users.csv."""
    creators, users = directory / "creators.csv", directory / "users.csv"
    with creators.open("w", newline="", encoding="utf-8") as file:
        scenes = [("jazz|soul|brass", "metal|loud|guitar")[creator % 2] for creator in range(CREATOR_COUNT)]
        csv.writer(file).writerows([("creator_id", "name", "tags"), *((f"c{i}", f"Creator {i}", f"{s}|t{i % 7}") for i, s in enumerate(scenes))])
    with users.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("user_id", "friends"), *((f"u{i}", f"u{(i + 2) % USER_COUNT}|u{(i + 4) % USER_COUNT}") for i in range(USER_COUNT))]
        )
    return creators, users
