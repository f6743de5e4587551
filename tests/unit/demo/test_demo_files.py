"""The committed files: small, in the column types that a build reads, made from the seeded world, and found without the training extra."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from demo.binding import binding_text
from demo.files import SAMPLE_USER_ID, demo_files, files_in
from demo.names import COUNTRIES
from demo.world import GENRES, TIERS, make_world

FLOATS, STRINGS = pa.list_(pa.float32()), pa.list_(pa.string())


def test_all_files_are_there_and_together_stay_small(files):
    sizes = [path.stat().st_size for path in dataclasses.astuple(files)]
    assert all(sizes)
    assert sum(sizes) < 3_000_000


def test_paths_follow_the_directory(tmp_path):
    assert {path.parent for path in dataclasses.astuple(files_in(tmp_path))} == {tmp_path}


def test_finding_the_files_loads_neither_training_nor_parquet_libraries():
    program = "import sys, demo.files; demo.files.demo_files(); print(*sys.modules)"
    root = Path(__file__).parents[3]
    loaded = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True).stdout.split()
    assert not {"sklearn", "skl2onnx", "onnx", "onnxruntime", "pyarrow", "numpy"} & set(loaded)


def test_creators_have_the_column_types_that_a_build_reads(files):
    schema = pq.read_schema(files.creators)
    assert {field.name: field.type for field in schema} == {
        "creator_id": pa.string(),
        "name": pa.string(),
        "embedding": FLOATS,
        "markets": STRINGS,
        "tier": pa.string(),
        "labels": STRINGS,
        "create_time": pa.timestamp("ms", tz="UTC"),
        "genre": pa.string(),
        "genre_mix": FLOATS,
        "country": pa.string(),
        "followers": pa.int64(),
        "release_count": pa.int32(),
        "energy": pa.float32(),
        "completion_rate": pa.float32(),
        "verified": pa.bool_(),
    }


def test_users_have_the_column_types_that_a_build_reads(files):
    schema = pq.read_schema(files.users)
    assert {field.name: field.type for field in schema} == {
        "user_id": pa.string(),
        "embedding": FLOATS,
        "followed": STRINGS,
        "country": pa.string(),
        "favourite_genre": pa.string(),
        "genre_affinity": FLOATS,
        "age_days": pa.int32(),
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
    assert answers.creators["creator_id"] == world.ids
    assert answers.creators["name"] == world.names
    assert answers.creators["genre"] == [GENRES[code] for code in world.genre]
    assert answers.creators["tier"] == [TIERS[code] for code in world.tier]
    assert answers.creators["country"] == [COUNTRIES[code] for code in world.country]
    assert [markets is None for markets in answers.creators["markets"]] == world.everywhere.tolist()


def test_the_committed_binding_is_what_the_script_writes(files):
    assert demo_files().binding.read_text(encoding="utf-8") == binding_text()
