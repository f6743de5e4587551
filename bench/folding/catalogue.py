"""Creators and users with every column that the measured rankers read, opened as a bundle opens them; no index, since candidates are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.bundles import write_whole
from bench.data import DATA_VERSION, World, write_parquet
from bench.rankers.columns import HISTORY
from bench.rankers.shapes import SHAPES
from bundle.creators import write_creators
from bundle.open import open_creators, open_users
from bundle.rules import ReadRules
from bundle.user_store import BundleUsers
from bundle.users import write_users
from domain.columns import ColumnSpec, Creators
from domain.stages import Progress

SEED = 7


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a ranker is compiled with, and who asks."""

    creators: Creators
    users: BundleUsers

    @property
    def user_columns(self) -> tuple[ColumnSpec, ...]:
        """What is stored of users."""
        return tuple(column.spec for column in self.users.users.columns.values())


def ensure_catalogue(creator_count: int, shapes: Sequence[str], data: Path, progress: Progress) -> Catalogue:
    """The catalogue for these shapes below `data`, written when it is not there."""
    name = "all" if set(shapes) == set(SHAPES) else "-".join(shapes)
    directory = data / f"folding-{creator_count}-{name}-v{DATA_VERSION}"
    if not directory.is_dir():
        columns = tuple(dict.fromkeys(column for shape in shapes for column in SHAPES[shape].columns))
        progress.start(f"drawing {creator_count} creators", 1)
        write_whole(directory, lambda partial: _write(World("clustered", creator_count, seed=SEED), columns, partial, progress))
    creators, users = open_creators(directory), open_users(directory)
    assert users is not None, "they have just been written"
    return Catalogue(creators, BundleUsers(users))


def _write(world: World, columns: Sequence[str], directory: Path, progress: Progress) -> None:
    write_parquet(world, columns, directory, np.random.default_rng(world.seed))
    bound = frozenset(column for column in columns if not column.startswith(HISTORY))
    rules = ReadRules(creator_sequences=frozenset([HISTORY]), bound=bound, sequences=frozenset([HISTORY]))
    write_creators(directory / "creators.parquet", directory, rules, progress)
    write_users(directory / "users.parquet", directory, rules, open_creators(directory), progress)
    for table in ("creators", "users"):
        (directory / f"{table}.parquet").unlink()  # the tables hold the same once more
