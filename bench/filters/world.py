"""A benchmark world whose creators have markets and tiers: random ones, and ones that lie where the listeners are not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.bundles import build_bundle, build_options, write_whole
from bench.data import World, write_inputs
from bench.question import CANDIDATE_COUNT
from domain.arrays import AnyArray, BoolArray, FloatArray
from engine.build import BuildOptions

VERSION = 1  # counts up when the same parameters give other data
ASKER_COUNT = 32
"""The first so many listed users ask; the far markets are made for them."""

RANDOM_SHARES = {"everyone": 1.0, "half": 0.5, "tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
FAR_SHARES = {"half": 0.5, "tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
TIERS = {"rest": 0.389, "half": 0.5, "tenth": 0.1, "emerging": 0.01, "thousandth": 0.001}
THIN_NEAR, THIN_RATE = 0.05, 0.1
"""In a thin market half of the catalogue is allowed, but only every tenth of the twentieth that lies nearest to the listener."""

FEW, FEW_COUNT = "few", 37
"""A market with fewer creators than a page."""


@dataclass(frozen=True, slots=True)
class FilterWorld:
    """What the data is a function of."""

    base: World
    candidate_count: int = CANDIDATE_COUNT

    @property
    def key(self) -> str:
        """A name for a directory that holds this data and nothing else."""
        return f"{self.base.key}-filters{VERSION}-k{self.candidate_count}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The inputs as the reference reads them. units: float32 [N, D]; askers: float32 [ASKER_COUNT, D], unit too; markets: bool [N] by name;
    tiers: names [N]."""

    units: FloatArray
    askers: FloatArray
    markets: dict[str, BoolArray]
    tiers: AnyArray


def far(asker: int, share: str) -> str:
    """The market that holds the share of the catalogue which lies farthest from one listener: all that is nearer is forbidden."""
    return f"far-{asker}-{share}"


def thin(asker: int) -> str:
    """The market in which one listener's nearest are mostly forbidden."""
    return f"thin-{asker}"


def ensure(world: FilterWorld, data: Path) -> tuple[Path, Catalogue]:
    """(the bundle, the inputs), written and built where they are not there."""
    directory = data / world.key
    inputs, bundle = directory / "inputs", directory / "bundle"
    if not inputs.is_dir():
        write_whole(inputs, lambda directory: _write(world, directory))
    if not bundle.is_dir():
        build_bundle(_options(world, inputs, bundle))
    return bundle, read(inputs, world.base.seed)


def read(inputs: Path, seed: int) -> Catalogue:
    """The catalogue of inputs that `_write` wrote."""
    creators = _unit(_vectors(pq.read_table(inputs / "creators.parquet", columns=["embedding"])))
    askers = _unit(_vectors(pq.read_table(inputs / "users.parquet", columns=["embedding"]).slice(0, ASKER_COUNT)))
    return Catalogue(creators, askers, _markets(creators, askers, seed), _tiers(len(creators), seed))


def _write(world: FilterWorld, inputs: Path) -> None:
    write_inputs(world.base, inputs)
    catalogue = read(inputs, world.base.seed)
    table = pq.read_table(inputs / "creators.parquet")
    table = table.append_column("markets", _lists(catalogue.markets)).append_column("tier", pa.array(catalogue.tiers.tolist(), pa.string()))
    pq.write_table(table, inputs / "creators.parquet", row_group_size=20_000)


def _options(world: FilterWorld, inputs: Path, bundle: Path) -> BuildOptions:
    options = build_options(world.base, inputs, bundle)
    return replace(options, bundle_version=world.key[:64], candidates=world.candidate_count, emerging_tiers=("emerging",))


def _markets(creators: FloatArray, askers: FloatArray, seed: int) -> dict[str, BoolArray]:
    random = np.random.default_rng([seed, 1])
    count = len(creators)
    markets = {name: random.random(count) < share for name, share in RANDOM_SHARES.items()}
    markets[FEW] = np.isin(np.arange(count), random.choice(count, FEW_COUNT, replace=False))
    for asker, vector in enumerate(askers):
        nearness = np.argsort(np.argsort(-(creators @ vector)))
        for name, share in FAR_SHARES.items():
            markets[far(asker, name)] = nearness >= count - round(share * count)
        near = nearness < THIN_NEAR * count
        elsewhere = (0.5 - THIN_NEAR * THIN_RATE) / (1.0 - THIN_NEAR)
        markets[thin(asker)] = random.random(count) < np.where(near, THIN_RATE, elsewhere)
    return markets


def _tiers(count: int, seed: int) -> AnyArray:
    return np.random.default_rng([seed, 2]).choice(list(TIERS), count, p=list(TIERS.values()))


def _lists(markets: dict[str, BoolArray]) -> pa.Array:
    """Per creator the names of its markets, list<string>."""
    rows = np.stack(list(markets.values()), axis=1)
    offsets = np.concatenate(([0], np.cumsum(rows.sum(axis=1)))).astype(np.int32)
    names = pa.array(list(markets), pa.string()).take(pa.array(np.nonzero(rows)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), names)


def _vectors(table: pa.Table) -> FloatArray:
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in table["embedding"].chunks])
    return np.ascontiguousarray(flat.reshape(table.num_rows, -1), np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
