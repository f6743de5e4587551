"""Writes what a team would bring: creators.parquet, users.parquet, ranker.onnx and binding.toml, seeded and of any size."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.question import creator_id, user_id
from bench.rankers.columns import CODE_COUNT, HISTORY, HISTORY_LENGTH, is_code, width_of
from bench.rankers.shapes import SHAPES
from bench.vectors import DIMENSION_COUNT, SETS
from domain.arrays import FloatArray

DATA_VERSION = 1  # counts up when the same parameters give other data


@dataclass(frozen=True, slots=True)
class World:
    """What the data is a function of, and how it is built. `vectors` is a key of `bench.vectors.SETS`, `ranker` one of `bench.rankers.shapes.SHAPES`;
    narrow: as `earshot build --narrow`."""

    vectors: str
    creator_count: int = 200_000
    user_count: int = 2_000
    seed: int = 7
    ranker: str = "mlp"
    narrow: bool = False

    @property
    def key(self) -> str:
        """A name for a directory that holds this data, its bundle, and nothing else."""
        name = f"{self.vectors}-{self.creator_count}x{DIMENSION_COUNT}-{self.user_count}-s{self.seed}-v{DATA_VERSION}"
        return "-".join([name, *([] if self.ranker == "mlp" else [self.ranker]), *(["narrow"] if self.narrow else [])])

    @property
    def title(self) -> str:
        """For people."""
        return ", ".join([self.vectors, *([] if self.ranker == "mlp" else [SHAPES[self.ranker].title]), *(["narrowed"] if self.narrow else [])])


def write_inputs(world: World, directory: Path) -> None:
    """Write the four files into `directory`, which exists. The same world gives the same content."""
    shape, rng = SHAPES[world.ranker], np.random.default_rng([world.seed, zlib.crc32(world.vectors.encode())])
    write_parquet(world, shape.columns, directory, rng)
    shape.write(directory / "ranker.onnx", rng)
    (directory / "binding.toml").write_text(shape.binding)


def write_parquet(world: World, columns: Sequence[str], directory: Path, rng: np.random.Generator) -> None:
    """Write creators.parquet and users.parquet with those of the columns that are theirs, by the names that bindings use."""
    vectors = SETS[world.vectors](world.creator_count, world.user_count, rng)
    creators = _features("creator", columns, world.creator_count, rng)
    users = _features("user", columns, world.user_count, rng)
    if any(column.startswith(HISTORY) for column in columns):
        users[HISTORY.partition(".")[2]] = _histories(world, rng)
    creator_ids = pa.array(map(creator_id, range(world.creator_count)), pa.string())
    user_ids = pa.array(map(user_id, range(world.user_count)), pa.string())
    _write_table(directory / "creators.parquet", {"creator_id": creator_ids, "embedding": _lists(vectors.creators), **creators})
    _write_table(directory / "users.parquet", {"user_id": user_ids, "embedding": _lists(vectors.users), **users})


def _features(side: str, columns: Sequence[str], count: int, rng: np.random.Generator) -> dict[str, pa.Array]:
    """The columns of one side that are drawn: numbers, vectors, codes."""
    own = [column for column in columns if column.startswith(f"{side}.") and column.count(".") == 1 and column != f"{side}.embedding"]
    codes = [column for column in own if is_code(column)]
    wide = [column for column in own if width_of(column) > 1]
    numbers = [column for column in own if column not in (*codes, *wide)]
    drawn = rng.standard_normal((count, len(numbers)), np.float32)
    found = {column: pa.array(np.ascontiguousarray(drawn[:, place])) for place, column in enumerate(numbers)}
    found |= {column: _lists(rng.standard_normal((count, width_of(column)), np.float32)) for column in wide}
    found |= {column: pa.array(rng.integers(0, CODE_COUNT, count, dtype=np.int32)) for column in codes}
    return {column.partition(".")[2]: found[column] for column in own}


def _histories(world: World, rng: np.random.Generator) -> pa.Array:
    """Per user the ids of some creators; a few have heard nobody yet, and some more than rankers take."""
    counts = rng.integers(0, 2 * HISTORY_LENGTH, world.user_count)
    heard = rng.integers(0, world.creator_count, counts.sum())
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(map(creator_id, heard.tolist()), pa.string()))


def _lists(vectors: FloatArray) -> pa.Array:
    """A column of lists, one per row."""
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(offsets, vectors.ravel())


def _write_table(path: Path, columns: dict[str, pa.Array]) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=20_000)
