"""Writes what a team would bring: creators.parquet, users.parquet, ranker.onnx and binding.toml, seeded and of any size."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.question import CREATOR_FEATURES, USER_FEATURES, creator_id, user_id
from bench.ranker import write_ranker
from bench.vectors import DIMENSION_COUNT, SETS
from domain.arrays import FloatArray

DATA_VERSION = 1  # counts up when the same parameters give other data


@dataclass(frozen=True, slots=True)
class World:
    """What the data is a function of. `vectors` is a key of `bench.vectors.SETS`."""

    vectors: str
    creator_count: int = 200_000
    user_count: int = 2_000
    seed: int = 7

    @property
    def key(self) -> str:
        """A name for a directory that holds this data and nothing else."""
        return f"{self.vectors}-{self.creator_count}x{DIMENSION_COUNT}-{self.user_count}-s{self.seed}-v{DATA_VERSION}"


def write_inputs(world: World, directory: Path) -> None:
    """Write the four files into `directory`, which exists. The same world gives the same content."""
    rng = np.random.default_rng([world.seed, zlib.crc32(world.vectors.encode())])
    vectors = SETS[world.vectors](world.creator_count, world.user_count, rng)
    creator_features = rng.standard_normal((world.creator_count, len(CREATOR_FEATURES)), np.float32)
    user_features = rng.standard_normal((world.user_count, len(USER_FEATURES)), np.float32)
    creator_ids = [creator_id(row) for row in range(world.creator_count)]
    user_ids = [user_id(row) for row in range(world.user_count)]
    _write_table(directory / "creators.parquet", ("creator_id", creator_ids), vectors.creators, (CREATOR_FEATURES, creator_features))
    _write_table(directory / "users.parquet", ("user_id", user_ids), vectors.users, (USER_FEATURES, user_features))
    write_ranker(directory / "ranker.onnx", rng)
    (directory / "binding.toml").write_text(_binding())


def _write_table(path: Path, ids: tuple[str, list[str]], vectors: FloatArray, features: tuple[tuple[str, ...], FloatArray]) -> None:
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    columns = {ids[0]: pa.array(ids[1], pa.string()), "embedding": pa.ListArray.from_arrays(offsets, vectors.ravel())}
    columns.update({name: pa.array(np.ascontiguousarray(features[1][:, i])) for i, name in enumerate(features[0])})
    pq.write_table(pa.table(columns), path, row_group_size=20_000)


def _binding() -> str:
    """One input of 177 columns: user 64 + 16, creator 64 + 32, similarity 1."""
    names = ["user.embedding", *(f"user.{name}" for name in USER_FEATURES)]
    names += ["creator.embedding", *(f"creator.{name}" for name in CREATOR_FEATURES), "retrieval.similarity"]
    listed = ",\n".join(f'    "{name}"' for name in names)
    return f'version = 1\noutput = "score"\n\n[inputs.features]\nper = "candidate"\ncolumns = [\n{listed},\n]\n'
