"""Writes the run directory: the files that `earshot build` takes, and how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domain.arrays import AnyArray, BoolArray
from domain.errors import OutputNotWritable
from domain.listens import Listens, SideTables
from training.binding import binding
from training.binding_text import binding_text
from training.carried import Carried
from training.expected import expected_questions, write_expected
from training.export import check_parity, export_ranker, score_torch
from training.graph import ServedRanker
from training.occasions import NO_CREATOR, Histories
from training.pipeline import Trained, TrainingOptions
from training.rows import RankerInputs

HISTORY_KEPT = 30  # more than the ranker reads today: the next one may read more


@dataclass(frozen=True)
class RunInputs:
    """listens, side: what was trained on. emerging: bool [creators], who counts as emerging. carried: what goes through as it is."""

    listens: Listens
    side: SideTables
    emerging: BoolArray
    carried: Carried = field(default_factory=Carried)


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
    ranker = ServedRanker(trained.ranker.model, trained.known, trained.columns).eval()
    assemble, questions = RankerInputs(trained, inputs.side), expected_questions(trained, options.seed)
    feeds = [assemble.feed(question.user, question.creators, question.moment) for question in questions]
    objective = trained.ranker.objective
    export_ranker(ranker, objective, feeds[0], out / "ranker.onnx")
    worst = check_parity(ranker, out / "ranker.onnx", feeds)
    write_expected(out / "expected.parquet", trained, questions, [score_torch(ranker, objective, feed) for feed in feeds])
    (out / "binding.toml").write_text(binding_text(binding(trained.columns, objective)), encoding="utf-8")
    metrics = trained.metrics | {"onnx_difference": worst, "listens": len(inputs.listens)}
    for name, value in (("config.json", options.to_json()), ("metrics.json", metrics), ("curves.json", trained.curves)):
        (out / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return metrics


def _write_creators(path: Path, trained: Trained, inputs: RunInputs) -> None:
    known, given = trained.known, inputs.carried.creators
    columns = {
        "creator_id": pa.array(inputs.listens.creator_ids, pa.string()),
        "name": pa.array(inputs.side.names, pa.string()),
        "embedding": _vectors(trained.towers.space.creators),
        **given,
        "tier": _tiers(given.get("tier"), inputs.emerging),
        "taste": _vectors(known.taste.creators),
        "neighbours": _vectors(known.neighbours.creators),
        "tags": _vectors(known.tags.creators),
        "listeners": pa.array(known.listeners, pa.float32()),
        "tag_count": pa.array(known.content[:, -1], pa.float32()),
    }
    _write(path, columns)


def _tiers(given: Any, emerging: BoolArray) -> Any:
    """As the creators' file has them, else established; who is cold is emerging in any case."""
    tiers = pa.array(["established"] * len(emerging), pa.string()) if given is None else given.cast(pa.string()).fill_null("established")
    return pc.if_else(pa.array(emerging), "emerging", tiers)


def _write_users(path: Path, trained: Trained, inputs: RunInputs) -> None:
    known, space = trained.known, trained.towers.space
    columns = {
        "user_id": pa.array(inputs.listens.user_ids, pa.string()),
        "embedding": _vectors(space.users),
        **inputs.carried.users,
        "taste": _vectors(known.taste.users),
        "neighbours": _vectors(known.neighbours.users),
        "tags": _vectors(known.tags.users),
        "friends": _vectors(known.friends),
        "history_length": pa.array(known.history_length, pa.float32()),
    }
    if trained.columns.history:
        columns["history"] = _histories(inputs.listens)
    _write(path, columns)


def _histories(listens: Listens) -> Any:
    """A list<string> column: the ids of whom each user heard last, newest last."""
    newest = Histories(listens).before(np.arange(len(listens.user_ids)), None, HISTORY_KEPT)
    there = newest != NO_CREATOR
    ids = pa.array(listens.creator_ids, pa.string()).take(pa.array(newest[there]))
    return pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(there.sum(axis=1))), pa.int32()), ids)


def _write(path: Path, columns: Mapping[str, Any]) -> None:
    pq.write_table(pa.table(dict(columns)), path, compression="zstd")


def _vectors(array: AnyArray) -> Any:
    """A list<float> column from [n, D]."""
    flat = pa.array(np.ascontiguousarray(array, np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(np.arange(len(array) + 1) * array.shape[1], pa.int32()), flat)
