"""The committed files: small, in the column types that a build reads, made from the seeded world, and found without the training extra."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq

from demo.files import SAMPLE_USER_ID, files_in
from demo.names import COUNTRIES
from demo.world import GENRES, TIERS, make_world

FLOATS, STRINGS = pa.list_(pa.float32()), pa.list_(pa.string())


def test_all_files_are_there_and_together_stay_small(files):
    sizes = [path.stat().st_size for path in dataclasses.astuple(files)]
    assert all(sizes)
    assert sum(sizes) < 5_000_000


def test_paths_follow_the_directory(tmp_path):
    assert {path.parent for path in dataclasses.astuple(files_in(tmp_path))} == {tmp_path}


def test_finding_the_files_loads_neither_training_nor_parquet_libraries():
    program = "import sys, demo.files; demo.files.demo_files(); print(*sys.modules)"
    root = Path(__file__).parents[3]
    loaded = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "sklearn", "onnx", "onnxruntime", "pyarrow", "numpy"} & set(loaded)


def test_creators_have_the_columns_of_the_world_and_what_training_learned(files):
    schema = {field.name: field.type for field in pq.read_schema(files.creators)}
    assert schema == {
        "creator_id": pa.string(),
        "name": pa.string(),
        "embedding": FLOATS,
        "markets": STRINGS,
        "tier": pa.string(),
        "labels": STRINGS,
        "create_time": pa.timestamp("ms", tz="UTC"),
        "genre": pa.string(),
        "country": pa.string(),
        "followers": pa.int64(),
        "release_count": pa.int32(),
        "energy": pa.float32(),
        "completion_rate": pa.float32(),
        "verified": pa.bool_(),
        "taste": FLOATS,
        "neighbours": FLOATS,
        "tags": FLOATS,
        "listeners": pa.float32(),
        "tag_count": pa.float32(),
    }


def test_users_have_the_columns_of_the_world_and_what_training_learned(files):
    schema = {field.name: field.type for field in pq.read_schema(files.users)}
    assert schema == {
        "user_id": pa.string(),
        "embedding": FLOATS,
        "followed": STRINGS,
        "country": pa.string(),
        "genre": pa.string(),
        "age_days": pa.int32(),
        "taste": FLOATS,
        "neighbours": FLOATS,
        "tags": FLOATS,
        "friends": FLOATS,
        "history_length": pa.float32(),
        "history": STRINGS,
    }


def test_creators_keep_the_rules_for_ids_and_embeddings(answers):
    ids, embeddings = answers.creators["creator_id"], answers.embeddings
    assert len(set(ids)) == len(ids) == len(set(answers.creators["name"]))
    assert all(0 < len(i.encode()) <= 64 and i.isprintable() for i in ids)
    assert embeddings.shape[1] % 16, "an odd width is wanted: it shows that the index pads"
    assert np.isfinite(embeddings).all()
    assert (np.linalg.norm(embeddings, axis=1) > 1e-3).all()
    assert set(answers.creators["tier"]) == set(TIERS)


def test_only_the_completion_rate_and_the_markets_may_be_null(files):
    table = pq.read_table(files.creators)
    assert {name for name in table.column_names if table.column(name).null_count} == {"completion_rate", "markets"}
    users = pq.read_table(files.users)
    assert not any(users.column(name).null_count for name in users.column_names)


def test_users_refer_to_creators_that_exist(files, answers):
    known = set(answers.creators["creator_id"])
    heldout = pq.read_table(files.heldout).to_pydict()
    for ids in [*answers.users["followed"], *answers.users["history"], *heldout["creator_ids"]]:
        assert set(ids) <= known
    assert heldout["user_id"] == answers.users["user_id"]
    assert SAMPLE_USER_ID in answers.user_rows
    assert answers.users["history"][answers.user_rows[SAMPLE_USER_ID]], "the user of the first example should have listened to something"


def test_heldout_listens_hold_nobody_who_is_followed_or_not_available(files, answers):
    markets = dict(zip(answers.creators["creator_id"], answers.creators["markets"], strict=True))
    for row, followed in zip(pq.read_table(files.heldout).to_pylist(), answers.users["followed"], strict=True):
        assert not set(row["creator_ids"]) & set(followed)
        assert all(markets[i] is None or row["market"] in markets[i] for i in row["creator_ids"])


def test_the_committed_creators_are_those_of_the_seeded_world(answers):
    """Needs no training: ids, names, genres, countries, tiers and markets are drawn before anything is learned."""
    world = make_world(7, len(answers.creators["creator_id"]), len(answers.users["user_id"])).creators
    stored = answers.creators
    by_id = {name: dict(zip(stored["creator_id"], stored[name], strict=True)) for name in ("name", "genre", "tier", "country", "markets")}
    assert sorted(stored["creator_id"]) == sorted(world.ids)
    assert [by_id["name"][i] for i in world.ids] == world.names
    assert [by_id["genre"][i] for i in world.ids] == [GENRES[code] for code in world.genre]
    assert [by_id["tier"][i] for i in world.ids] == [TIERS[code] for code in world.tier]
    assert [by_id["country"][i] for i in world.ids] == [COUNTRIES[code] for code in world.country]
    assert [by_id["markets"][i] is None for i in world.ids] == world.everywhere.tolist()


def test_the_binding_to_read_is_the_one_in_the_model(files):
    model = onnx.load(files.ranker)
    stored = next(entry.value for entry in model.metadata_props if entry.key == "earshot.binding")
    assert tomllib.loads(files.binding.read_text(encoding="utf-8")) == json.loads(stored)
