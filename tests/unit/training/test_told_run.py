"""Runs on data with features, times and occasions: nothing held out is learned from, and what is exported is served as it was trained."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow.parquet as pq
import pytest

from domain.progress import SILENT
from domain.request import RecommendRequest
from domain.terms import Terms
from engine.build import BuildOptions, build
from engine.open import StartOptions, prepare
from evaluation.protocol import cold_creators, hold_out, hold_out_tags, is_held_out
from tests.unit.training.training_world import told_plays, write_told_plays, write_told_side
from training import pipeline
from training.carried import carried_columns
from training.fit_ranker import RankerOptions
from training.fit_towers import TowerOptions
from training.pipeline import TrainingOptions
from training.run import RunInputs, make_run_directory, write_run
from training.sizes import Sizes
from training.tables import TableFiles, read_tables

SMALL = TrainingOptions(
    seed=1, candidates=40, sizes=Sizes.of(24), towers=TowerOptions(epochs=1), ranker=RankerOptions(members=1, epochs=12, patience=12, batch=8)
)
TRAINED_FILES = ("creators.parquet", "users.parquet", "ranker.onnx", "expected.parquet", "binding.toml")
NUMBERS, CATEGORIES = ("creator.energy", "creator.followers", "creator.completion_rate", "user.age_days", "context.hour"), ("country", "activity")


def train(directory: Path, name: str, rows: list[tuple[str, str, int, str, str]]) -> Path:
    """As `earshot train`, for fewer epochs."""
    files = TableFiles(write_told_plays(rows, directory / f"{name}.csv"), *write_told_side(directory))
    listens, side = read_tables(files)
    out = directory / name
    make_run_directory(out)
    kept, held_out = hold_out(listens)
    allowed, cold = hold_out_tags(held_out, side), cold_creators(listens)
    write_run(out, pipeline.train(kept, allowed, SMALL, SILENT), RunInputs(kept, allowed, cold, carried_columns(files, listens)), SMALL)
    return out


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in TRAINED_FILES}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("told"), "run", told_plays())


@pytest.fixture(scope="module")
def engine(run: Path):
    inputs = {name: run / f"{name}.parquet" for name in ("creators", "users", "expected")}
    build(BuildOptions(**inputs, ranker=run / "ranker.onnx", out=run / "bundle", space="ip", threads=1), SILENT)
    return prepare(run / "bundle").start(StartOptions("cpu"), time.monotonic, refuse)


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


def ask(engine, user_id="u3", embeddings=None, **context):
    request = RecommendRequest("r", user_id, embeddings=embeddings or {}, context_features=context, page_size=20)
    return engine.recommend(request, Terms.unhurried(time.monotonic))


def test_no_held_out_play_reaches_anything_by_its_time_its_occasion_or_its_number(run: Path, tmp_path: Path) -> None:
    rows = told_plays()
    changed = []
    for place, (user, creator, at, hour, activity) in enumerate(rows):
        if not is_held_out(user, creator):
            changed.append((user, creator, at, hour, activity))
        elif place % 3:  # every third is left out, the others come twice, at other times, on occasions that nobody else knows
            changed += [(user, creator, at + 900_000 + copy, "23", "hiking") for copy in range(2)]
    assert contents(train(tmp_path, "changed", changed)) == contents(run)


@pytest.mark.parametrize("column", [2, 4], ids=["time", "occasion"])
def test_a_play_that_may_be_learned_from_counts_with_its_time_and_its_occasion(run: Path, tmp_path: Path, column: int) -> None:
    rows = [list(row) for row in told_plays()]
    for row in rows:
        if not is_held_out(row[0], row[1]) and row[0] in ("u1", "u2", "u3"):
            row[column] = {2: row[2] - 86_400 * (row[2] % 7), 4: "party"}[column]
    changed = contents(train(tmp_path, "changed", [tuple(row) for row in rows]))
    assert changed["ranker.onnx"] != contents(run)["ranker.onnx"]


def test_the_binding_reads_what_the_data_has_and_the_text_says_the_same(run: Path) -> None:
    text = tomllib.loads((run / "binding.toml").read_text(encoding="utf-8"))
    model = onnx.load(run / "ranker.onnx")
    assert json.loads(next(entry.value for entry in model.metadata_props if entry.key == "earshot.binding")) == text
    read = [column for bound in text["inputs"].values() for column in bound["columns"]]
    assert {*NUMBERS, "creator.completion_rate.present", "creator.country", "user.country", "context.activity", "user.history.mask"} <= set(read)
    assert text["vocabularies"]["creator.country"] == text["vocabularies"]["user.country"]
    assert text["vocabularies"]["context.activity"]["values"] == ["commute", "focus", "party"]


def test_columns_go_through_in_their_own_types(run: Path) -> None:
    creators, users = pq.read_table(run / "creators.parquet"), pq.read_table(run / "users.parquet")
    assert str(creators.schema.field("followers").type) == "int64"
    assert creators["completion_rate"].null_count == 24
    assert users["followed"].to_pylist()[:2] == [[], ["c1"]]


def test_a_history_is_what_was_played_last(run: Path) -> None:
    played = [(at, creator) for user, creator, at, _, _ in told_plays() if user == "u5" and not is_held_out(user, creator)]
    users = pq.read_table(run / "users.parquet").to_pydict()
    assert users["history"][users["user_id"].index("u5")] == [creator for _, creator in sorted(played)][-30:]


def test_expected_scores_come_with_and_without_an_occasion(run: Path, engine) -> None:
    """That they are served again the build has proved."""
    table = pq.read_table(run / "expected.parquet")
    assert {"context.hour", "context.activity"} <= set(table.column_names)
    assert 0 < table["context.hour"].null_count < len(table)
    assert len(ask(engine).slate) == 20


def test_an_embedding_is_enough_to_ask_with(run: Path, engine) -> None:
    embedding = np.array(pq.read_table(run / "users.parquet")["embedding"][0].as_py(), np.float32)
    answer = ask(engine, "", {"": embedding})
    assert not answer.degradations
    assert np.isfinite(answer.slate.scores).all()


def test_the_occasion_decides_who_is_shown(engine) -> None:
    def energy(activity: str) -> float:
        column = engine.creators.columns["energy"].values
        return float(np.mean([column[ask(engine, f"u{user}", activity=activity).slate.rows].mean() for user in range(0, 90, 3)]))

    assert energy("party") > energy("focus") + 0.2


def test_any_number_of_candidates_is_scored_each_by_itself(run: Path) -> None:
    session = onnxruntime.InferenceSession(run / "ranker.onnx", providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    shapes = {given.name: [7 if isinstance(size, str) else size for size in given.shape] for given in session.get_inputs()}
    feed = {name: random.random(shape).astype(np.float32) if "codes" not in name else np.ones(shape, np.int64) for name, shape in shapes.items()}
    together = session.run(["listen"], feed)[0]
    for row in (0, 6):
        alone = {name: array[row : row + 1] if name in ("candidates", "creator_codes") else array for name, array in feed.items()}
        np.testing.assert_allclose(session.run(["listen"], alone)[0], together[row : row + 1], rtol=1e-5)
