"""The world of the promises: seeded listening vectors, and one bundle per ranker, all over the same creators and users."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.bundles import build_bundle, write_whole
from bench.data import World as Catalogue
from bench.data import write_parquet
from bench.promise.ranker import measured_cost_s, width_for, write_ranker
from bench.question import CANDIDATE_COUNT, user_id
from bench.rankers.mlp import FEATURES
from bench.rankers.shape import Shape
from engine.build import BuildOptions

COSTS_MS = {"light": 2.0, "heavy": 30.0}
"""What the rankers cost whole, for CANDIDATE_COUNT candidates on one core, by name."""
SHAPE = Shape("network of a given cost", (FEATURES,), lambda *_: None)  # for its binding; write_ranker writes the model


@dataclass(frozen=True, slots=True)
class World:
    """Where it lies, and how large it is."""

    data: Path
    creator_count: int = 50_000
    user_count: int = 200
    seed: int = 7

    @property
    def directory(self) -> Path:
        """Everything of this world."""
        return self.data / f"{self.creator_count}-{self.user_count}-s{self.seed}"

    @property
    def user_ids(self) -> list[str]:
        """All listed users."""
        return [user_id(row) for row in range(self.user_count)]

    @property
    def users_file(self) -> Path:
        """Their ids, one per line, for the load generator."""
        return self.directory / "users.txt"


def ensure_bundle(world: World, ranker: str) -> Path:
    """The bundle with the ranker of that name (a key of COSTS_MS); measured, written and built where it is not there."""
    tables, inputs, bundle = world.directory / "tables", world.directory / ranker / "inputs", world.directory / ranker / "bundle"
    if not tables.is_dir():
        catalogue = Catalogue("listening", world.creator_count, world.user_count, world.seed)
        write_whole(tables, lambda folder: write_parquet(catalogue, SHAPE.columns, folder, np.random.default_rng(world.seed)))
        world.users_file.write_text("\n".join(world.user_ids) + "\n", encoding="utf-8")
    if not inputs.is_dir():
        write_whole(inputs, lambda folder: _write_ranker(folder, COSTS_MS[ranker], world.seed))
    if not bundle.is_dir():
        build_bundle(_options(tables, inputs, bundle, f"{ranker}-{world.creator_count}"))
    return bundle


def ranker_facts(world: World, ranker: str) -> dict[str, float]:
    """The ranker's width, and what it cost when it was measured: {"width", "cost_ms"}."""
    found: dict[str, float] = json.loads((world.directory / ranker / "inputs" / "cost.json").read_text(encoding="utf-8"))
    return found


def forget_rankers(world: World) -> None:
    """Measure and build them anew the next time, on another machine for instance."""
    for ranker in COSTS_MS:
        shutil.rmtree(world.directory / ranker, ignore_errors=True)


def _write_ranker(folder: Path, cost_ms: float, seed: int) -> None:
    width = width_for(cost_ms / 1e3, measured_cost_s)
    write_ranker(folder / "ranker.onnx", width, seed)
    (folder / "binding.toml").write_text(SHAPE.binding, encoding="utf-8")
    (folder / "cost.json").write_text(json.dumps({"width": width, "cost_ms": measured_cost_s(width) * 1e3}), encoding="utf-8")


def _options(tables: Path, inputs: Path, bundle: Path, version: str) -> BuildOptions:
    return BuildOptions(
        creators=tables / "creators.parquet",
        users=tables / "users.parquet",
        ranker=inputs / "ranker.onnx",
        binding=inputs / "binding.toml",
        out=bundle,
        bundle_version=version,
        candidates=CANDIDATE_COUNT,
    )
