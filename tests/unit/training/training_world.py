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


ACTIVITIES = ("commute", "focus", "party")
START_S = 1_767_225_600


def told_plays(seed: int = 4) -> list[tuple[str, str, int, str, str]]:
    """(user, creator, time in s, hour, activity), four at a time: at a party users hear the creators whose energy is high. Texts, as in a CSV file;
    "" where nobody said."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(USER_COUNT):
        for session in range(6):
            activity = ACTIVITIES[int(random.integers(len(ACTIVITIES)))]
            liking = np.where(np.arange(CREATOR_COUNT) % 2 == user % 2, 9.0, 1.0) * np.where((energies() > 0.5) == (activity == "party"), 20.0, 1.0)
            heard = random.choice(CREATOR_COUNT, 4, replace=False, p=liking / liking.sum()).tolist()
            began = START_S + session * 86_400 + int(random.integers(3_600))
            said = activity if random.random() < 0.8 else ""
            rows += [(f"u{user}", f"c{creator}", began + place, str(7 + session), said) for place, creator in enumerate(heard)]
    return rows


def energies() -> np.ndarray:
    """Per creator, 0 to 1."""
    return np.random.default_rng(8).random(CREATOR_COUNT).round(3)


def write_told_plays(rows: list[tuple[str, str, int, str, str]], path: Path) -> Path:
    """listens.csv with times and occasions."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("user_id", "creator_id", "time", "context.hour", "context.activity"), *rows])
    return path


def write_told_side(directory: Path) -> tuple[Path, Path]:
    """creators.csv and users.csv with features: numbers, some of them unknown, and categories, one of which both have."""
    random = np.random.default_rng(9)
    creators, users = directory / "told_creators.csv", directory / "told_users.csv"
    followers = (10 ** random.uniform(1, 6, CREATOR_COUNT)).astype(int)
    rows = [
        (f"c{i}", f"Creator {i}", ("jazz|soul", "metal|loud")[i % 2], ("BR", "SE")[i % 3 % 2], energy, followers[i], "" if i % 5 == 0 else i / 200)
        for i, energy in enumerate(energies())
    ]
    with creators.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("creator_id", "name", "tags", "country", "energy", "followers", "completion_rate"), *rows])
    with users.open("w", newline="", encoding="utf-8") as file:
        people = [(f"u{i}", ("BR", "SE", "JP", "")[i % 4], i * 3, f"c{i}" if i % 2 else "") for i in range(USER_COUNT)]
        csv.writer(file).writerows([("user_id", "country", "age_days", "followed"), *people])
    return creators, users
