"""A run directory of a small made-up world, and the bundle built from it: embeddings that know the listeners' tastes, a ranker of two columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper

from domain.arrays import FloatArray
from domain.listens import NO_USER, Listens, SideTables
from domain.progress import SILENT
from engine.build import BuildOptions, build
from evaluation import protocol
from evaluation.split import Split, write_split

USER_COUNT, CREATOR_COUNT, TASTE_COUNT, DIMENSION_COUNT = 80, 600, 6, 8
BINDING = """version = 1
output = "score"
[inputs.features]
per = "candidate"
columns = ["retrieval.similarity", "creator.listeners"]
"""


@dataclass(frozen=True)
class SmallRun:
    """directory: the run; bundle: built from it; scores: the ranker's, float32 [users, creators]; similarities: the same shape."""

    directory: Path
    bundle: Path
    split: Split
    similarities: FloatArray
    scores: FloatArray


def make_run(directory: Path, candidates: int = 60) -> SmallRun:
    """Deterministic. Creator i has taste i % 6, user u likes taste u % 6; every creator has a tag that names its taste."""
    rng = np.random.default_rng(5)
    split = make_split(rng)
    tastes = rng.normal(size=(TASTE_COUNT, DIMENSION_COUNT))
    creators = _unit(tastes[np.arange(CREATOR_COUNT) % TASTE_COUNT] + 0.5 * rng.normal(size=(CREATOR_COUNT, DIMENSION_COUNT)))
    users = _unit(tastes[np.arange(USER_COUNT) % TASTE_COUNT] + 0.3 * rng.normal(size=(USER_COUNT, DIMENSION_COUNT)))
    listeners = np.bincount(split.kept.creators, minlength=CREATOR_COUNT).astype(np.float32)
    similarities = users @ creators.T
    scores = similarities + np.float32(0.02) * listeners
    _write_inputs(directory, split, creators, users, listeners)
    pairs = [(u, a) for u in range(0, USER_COUNT, 9) for a in range(0, CREATOR_COUNT, 37)]
    who, what = np.array(pairs).T
    expected = {"user_id": np.array(split.kept.user_ids)[who], "creator_id": np.array(split.kept.creator_ids)[what], "score": scores[who, what]}
    pq.write_table(pa.table(expected), directory / "expected.parquet")
    bundle = directory / "bundle"
    build(_options(directory, bundle, candidates), SILENT)
    return SmallRun(directory, bundle, split, similarities, scores)


def make_split(rng: np.random.Generator) -> Split:
    """Users hear creators of their taste four times as often as others."""
    user_ids, creator_ids = tuple(f"u{i}" for i in range(USER_COUNT)), tuple(f"c{i}" for i in range(CREATOR_COUNT))
    same = np.arange(USER_COUNT)[:, None] % TASTE_COUNT == np.arange(CREATOR_COUNT) % TASTE_COUNT
    users, creators = np.nonzero(rng.random(same.shape) < np.where(same, 0.24, 0.01))
    listens = Listens(user_ids, creator_ids, users, creators, rng.integers(1, 500, len(users)).astype(np.float32))
    kept, held_out = protocol.hold_out(listens)
    every = np.arange(CREATOR_COUNT)
    names = tuple(f"taste-{i}" for i in range(TASTE_COUNT))
    side = SideTables(("",) * CREATOR_COUNT, names, np.full(CREATOR_COUNT, NO_USER), every, every % TASTE_COUNT, np.empty((0, 2), np.int64))
    return Split(kept, held_out, protocol.cold_creators(listens), side)


def _write_inputs(directory: Path, split: Split, creators: FloatArray, users: FloatArray, listeners: FloatArray) -> None:
    tier = np.where(split.cold, "emerging", "established").tolist()
    tier[int(np.flatnonzero(~split.cold)[3])] = "emerging"  # one more that counts as emerging and is not cold
    columns = {"creator_id": split.kept.creator_ids, "embedding": list(creators), "tier": tier, "listeners": listeners}
    pq.write_table(pa.table(columns), directory / "creators.parquet")
    pq.write_table(pa.table({"user_id": split.kept.user_ids, "embedding": list(users)}), directory / "users.parquet")
    inputs, outputs = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", w]) for n, w in (("features", 2), ("score", 1)))
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [2, 1], [1.0, 0.02])
    graph = helper.make_graph([helper.make_node("MatMul", ["features", "weights"], ["score"])], "ranker", [inputs], [outputs], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), directory / "ranker.onnx")
    (directory / "binding.toml").write_text(BINDING, "utf-8")
    write_split(directory, split)


def _options(directory: Path, bundle: Path, candidates: int) -> BuildOptions:
    files = {name: directory / f"{name}.parquet" for name in ("creators", "users", "expected")}
    return BuildOptions(
        **files,
        ranker=directory / "ranker.onnx",
        binding=directory / "binding.toml",
        out=bundle,
        candidates=candidates,
        emerging_tiers=(protocol.EMERGING_TIER,),
        threads=1,
    )


def _unit(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
