"""Writes the run directory: the files that `earshot build` takes, and how it went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.arrays import AnyArray, BoolArray, RowArray
from domain.errors import OutputNotWritable
from domain.listens import Listens, SideTables
from training.export import check_parity, export_ranker, score_torch
from training.graph import ServedRanker
from training.pipeline import Trained, TrainingOptions
from training.rows import candidate_inputs, user_inputs

EXPECTED_USERS, EXPECTED_CREATORS = 40, 25  # 1,000 pairs: every table, near and far


@dataclass(frozen=True)
class RunInputs:
    """listens, side: what was trained on. emerging: bool [creators], who counts as emerging."""

    listens: Listens
    side: SideTables
    emerging: BoolArray


def make_run_directory(out: Path) -> None:
    """Create `out`. Raises OutputNotWritable when it is there already, so that no run writes over another."""
    try:
        out.mkdir(parents=True)
    except OSError as problem:
        raise OutputNotWritable(out, f"cannot be created ({problem.strerror}); name a directory that does not exist with --out") from problem


def write_run(out: Path, trained: Trained, inputs: RunInputs, options: TrainingOptions) -> dict[str, Any]:
    """Write every file of the run directory `out`; returns the metrics, as in metrics.json."""
    _write_creators(out / "creators.parquet", trained, inputs)
    _write_users(out / "users.parquet", trained, inputs)
    ranker = ServedRanker(trained.ranker.model, trained.known).eval()
    export_ranker(ranker, trained.ranker.objective, out / "ranker.onnx")
    pairs = _expected_pairs(trained, options.seed)
    worst = check_parity(ranker, out / "ranker.onnx", [(candidate_inputs(trained, u, c), user_inputs(trained, u)) for u, c in pairs])
    _write_expected(out / "expected.parquet", trained, ranker, pairs)
    metrics = trained.metrics | {"onnx_difference": worst, "listens": len(inputs.listens)}
    for name, value in (("config.json", options.to_json()), ("metrics.json", metrics), ("curves.json", trained.curves)):
        (out / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return metrics


def _write_creators(path: Path, trained: Trained, inputs: RunInputs) -> None:
    known, side = trained.known, inputs.side
    columns = {
        "creator_id": pa.array(inputs.listens.creator_ids, pa.string()),
        "name": pa.array(side.names, pa.string()),
        "embedding": _vectors(trained.towers.space.creators),
        "tier": pa.array(np.where(inputs.emerging, "emerging", "established").tolist(), pa.string()),
        "taste": _vectors(known.taste.creators),
        "neighbours": _vectors(known.neighbours.creators),
        "tags": _vectors(known.tags.creators),
        "listeners": pa.array(known.listeners, pa.float32()),
        "tag_count": pa.array(known.content[:, -1], pa.float32()),
    }
    if side.create_times_s is not None:
        columns["create_time"] = pa.array(side.create_times_s, pa.timestamp("s", tz="UTC")).cast(pa.timestamp("ms", tz="UTC"))
    if side.markets is not None:
        columns["markets"] = pa.array([None if m is None else list(m) for m in side.markets], pa.list_(pa.string()))
    pq.write_table(pa.table(columns), path)


def _write_users(path: Path, trained: Trained, inputs: RunInputs) -> None:
    known, space = trained.known, trained.towers.space
    columns = {
        "user_id": pa.array(inputs.listens.user_ids, pa.string()),
        "embedding": _vectors(space.users),
        "taste": _vectors(known.taste.users),
        "neighbours": _vectors(known.neighbours.users),
        "tags": _vectors(known.tags.users),
        "friends": _vectors(known.friends),
        "history_length": pa.array(known.history_length, pa.float32()),
    }
    pq.write_table(pa.table(columns), path)


def _expected_pairs(trained: Trained, seed: int) -> list[tuple[int, RowArray]]:
    """Some users, each with creators near and far, those without a listener among them."""
    random = np.random.default_rng([seed, 7])
    known, space = trained.known, trained.towers.space
    asking = np.flatnonzero(known.history_length > 0)
    pairs = []
    for user in random.choice(asking, min(EXPECTED_USERS, len(asking)), replace=False).tolist():
        near = np.argsort(-(space.creators @ space.users[user]), kind="stable")[:EXPECTED_CREATORS]
        far = random.choice(len(space.creators), min(EXPECTED_CREATORS, len(space.creators)), replace=False)
        pairs.append((user, np.unique(np.concatenate([near[::2], far[::2]]))))
    return pairs


def _write_expected(path: Path, trained: Trained, ranker: ServedRanker, pairs: list[tuple[int, RowArray]]) -> None:
    listens = trained.known.listens
    users, creators, scores = [], [], []
    for user, some in pairs:
        users += [listens.user_ids[user]] * len(some)
        creators += [listens.creator_ids[c] for c in some.tolist()]
        scores += score_torch(ranker, trained.ranker.objective, candidate_inputs(trained, user, some), user_inputs(trained, user)).tolist()
    table = {"user_id": pa.array(users, pa.string()), "creator_id": pa.array(creators, pa.string()), "score": pa.array(scores, pa.float32())}
    pq.write_table(pa.table(table), path)


def _vectors(array: AnyArray) -> Any:
    """A list<float> column from [n, D]."""
    flat = pa.array(np.ascontiguousarray(array, np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(np.arange(len(array) + 1) * array.shape[1], pa.int32()), flat)
