"""Small parquet files and bundles for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bundle.creators import write_creators
from bundle.manifest import Manifest
from bundle.open import Bundle, open_bundle, open_creators
from bundle.publish import Draft
from bundle.rules import ReadRules
from bundle.users import write_users
from domain.columns import Creators, Vocabulary
from domain.slate import Profile


class Silent:
    """Progress that nobody watches; remembers the tasks."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int]] = []
        self.done: list[int] = []

    def start(self, task, total):
        self.tasks.append((task, total))
        self.done.append(0)

    def advance(self, done):
        self.done[-1] += done


NO_RULES = ReadRules()
IDS = ["b", "a", "ö", "d"]
VECTORS = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]


def floats(values, kind=None):
    return pa.array(values, kind or pa.list_(pa.float32()))


def creators_table(**columns) -> pa.Table:
    """Four creators with ids and embeddings; `columns` add or replace, None takes away."""
    given = {"creator_id": pa.array(IDS), "embedding": floats(VECTORS), **columns}
    return pa.table({name: column for name, column in given.items() if column is not None})


def users_table(**columns) -> pa.Table:
    """Two users."""
    given = {"user_id": pa.array(["u1", "u2"]), "embedding": floats(VECTORS[:2]), **columns}
    return pa.table({name: column for name, column in given.items() if column is not None})


def save(table: pa.Table, path: Path, **options) -> Path:
    pq.write_table(table, path, **options)
    return path


def catalogue(directory: Path, rules: ReadRules = NO_RULES, **columns) -> Creators:
    """creators.parquet written to directory/creators and opened."""
    file = save(creators_table(**columns), directory / "creators.parquet")
    write_creators(file, directory, rules, Silent())
    return open_creators(directory)


RICH_RULES = ReadRules(
    vocabularies={"creator.genre": Vocabulary(("rock", "pop"), 1, 0)},
    creator_sequences=frozenset({"creator.similar", "user.history"}),
    nullable=frozenset({"creator.ages", "user.age"}),
    bound=frozenset({"creator.genre", "creator.similar", "user.history"}),
)


def rich_creators() -> pa.Table:
    """A column of every kind."""
    return creators_table(
        name=pa.array(["Bee", None, "Ö", ""]),
        markets=pa.array([["SE", "GB"], None, [], ["GB"]]),
        tier=pa.array(["emerging", None, "", "top"]),
        labels=pa.array([["x"], [], None, ["y", "x"]]),
        create_time=pa.array([0, 1_500, None, -1], pa.timestamp("ms", "UTC")),
        revision=pa.array([1, None, 3, 4]),
        followers=pa.array([1, 2, 3, 2**64 - 1], pa.uint64()),
        genre=pa.array(["pop", "rock", "jazz", "pop"]),
        bio=pa.array(["w", "x", "y", "z"]),
        ages=floats([[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]]),
        plays=pa.array([[1, 2], [3], [], [4]]),
        similar=pa.array([["a", "nobody"], ["b"], [], ["ö", "d"]]),
    )


def rich_users() -> pa.Table:
    return users_table(
        followed=pa.array([["a", "b", "nobody"], None]),
        history=pa.array([["ö", "zz"], []], pa.list_(pa.string())),
        age=pa.array([1.5, None], pa.float32()),
        active=pa.array([True, False]),
    )


def build_rich(directory: Path) -> Bundle:
    """A published bundle with a column of every kind, and users."""
    creators_file = save(rich_creators(), directory / "creators.parquet")
    users_file = save(rich_users(), directory / "users.parquet")
    with Draft(directory / "out") as draft:
        made = write_creators(creators_file, draft.path, RICH_RULES, Silent())
        users = write_users(users_file, draft.path, RICH_RULES, open_creators(draft.path), Silent())
        index = draft.path / "indexes" / "default"
        index.mkdir(parents=True)
        (index / "hnsw.bin").write_bytes(b"graph")
        draft.publish(plain_manifest(made.count, made.dimension_count, users.count, creator_columns=made.columns, user_columns=users.columns))
    return open_bundle(directory / "out")


def plain_manifest(creator_count=4, dimension_count=3, user_count=0, **fields) -> Manifest:
    values = {
        "version": "v1",
        "embedding_space": "v1",
        "space": "cosine",
        "dimension_count": dimension_count,
        "creator_count": creator_count,
        "user_count": user_count,
        "candidate_count": 200,
        "creator_columns": (),
        "profiles": {"default": Profile(objective={"p_follow": 1.0})},
        "indexes": {"default": {"kind": "hnsw"}},
        "rankers": {"default": {}},
        "recall": 0.97,
    }
    return Manifest(**{**values, **fields})


def rows_set(bitmap: np.ndarray, count: int) -> list[int]:
    """Independent of np.unpackbits: the rows whose bit is set."""
    return [row for row in range(count) if bitmap[row // 8] >> (row % 8) & 1]
