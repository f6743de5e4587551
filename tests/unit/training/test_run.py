from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cli.main import main
from domain.progress import SILENT
from evaluation.protocol import cold_creators, hold_out, hold_out_tags, is_held_out
from evaluation.split import Split, write_split
from tests.unit.training.training_world import plays, write_plays, write_side
from training import pipeline
from training.fit_ranker import RankerOptions
from training.fit_towers import TowerOptions
from training.pipeline import TrainingOptions
from training.run import RunInputs, make_run_directory, write_run
from training.tables import TableFiles, read_tables

TRAINED_FILES = ("creators.parquet", "users.parquet", "ranker.onnx", "expected.parquet", "listens.parquet")


SMALL = TrainingOptions(seed=1, candidates=60, towers=TowerOptions(epochs=1), ranker=RankerOptions(members=1, epochs=2))


def train(directory: Path, name: str, rows: list[tuple[str, str, int]]) -> Path:
    """As `earshot train`, for fewer epochs."""
    creators, users = write_side(directory)
    listens, side = read_tables(TableFiles(write_plays(rows, directory / f"{name}.csv"), creators, users))
    out = directory / name
    make_run_directory(out)
    kept, held_out = hold_out(listens)
    allowed, cold = hold_out_tags(held_out, side), cold_creators(listens)
    write_run(out, pipeline.train(kept, allowed, SMALL, SILENT), RunInputs(kept, allowed, cold), SMALL)
    write_split(out, Split(kept, held_out, cold, allowed))
    return out


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TRAINED_FILES}


def test_no_held_out_listen_reaches_anything_that_training_writes(tmp_path: Path) -> None:
    rows = plays()
    moved = [(u, c, n * 7 if is_held_out(u, c) else n) for u, c, n in rows]
    fewer = [row for place, row in enumerate(moved) if not (is_held_out(row[0], row[1]) and place % 3 == 0)]
    assert len(fewer) < len(rows)
    assert contents(train(tmp_path, "first", rows)) == contents(train(tmp_path, "second", fewer))


def test_a_listen_that_may_be_learned_from_changes_what_is_written(tmp_path: Path) -> None:
    rows = plays()
    place = next(i for i, (u, c, _) in enumerate(rows) if not is_held_out(u, c))
    changed = [*rows[:place], *rows[place + 1 :]]
    first, second = contents(train(tmp_path, "first", rows)), contents(train(tmp_path, "second", changed))
    assert all(first[name] != second[name] for name in TRAINED_FILES)


def test_a_run_says_what_it_did(tmp_path: Path) -> None:
    run = train(tmp_path, "run", plays())
    config, metrics, curves = (json.loads((run / name).read_text()) for name in ("config.json", "metrics.json", "curves.json"))
    assert config["seed"] == 1
    assert metrics["onnx_difference"] <= 1e-5
    assert {"towers", "ranker"} == set(curves)
    creators = pq.read_table(run / "creators.parquet").to_pydict()
    tiers = dict(zip(creators["creator_id"], creators["tier"], strict=True))
    assert set(tiers.values()) == {"emerging", "established"}
    assert np.isfinite(np.array(creators["embedding"])).all()


def test_a_run_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    listens = write_plays(plays(), tmp_path / "l.csv")
    assert main(["train", "--listens", str(listens), "--out", str(tmp_path / "there")]) == 73
    assert "does not exist" in capsys.readouterr().err
