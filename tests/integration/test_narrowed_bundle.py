"""A bundle built with --narrow, by the real build: what it serves, and what its trainer's scores are held against."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.bundles import build_options
from bench.data import World, write_inputs
from bench.question import creator_id, user_id
from domain.errors import ArtifactError
from domain.progress import SILENT
from engine.build import build
from engine.expected import score_expected
from engine.open import StartOptions, prepare
from engine.recommend import Engine

CREATOR_COUNT, USER_COUNT = 1_500, 40
PAIRS = {"user_id": [user_id(n % USER_COUNT) for n in range(200)], "creator_id": [creator_id(n * 7 % CREATOR_COUNT) for n in range(200)]}


def refuse(stage: object, failure: Exception) -> None:
    raise AssertionError(f"{stage} failed") from failure


def started(path: Path, whole: bool = False) -> Engine:
    return prepare(path, whole=whole).start(StartOptions("cpu"), time.monotonic, refuse)


def options(inputs: Path, out: str, narrow: bool, expected: str | None = None):
    world = World("clustered", CREATOR_COUNT, USER_COUNT, narrow=narrow)
    return replace(build_options(world, inputs, inputs / out), expected=inputs / expected if expected else None, candidates=100)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a team brings, with the scores that its trainer got: those of the exact bundle; and others."""
    folder = tmp_path_factory.mktemp("narrowed")
    write_inputs(World("clustered", CREATOR_COUNT, USER_COUNT), folder)
    build(options(folder, "exact", narrow=False), SILENT)
    pq.write_table(pa.table({**PAIRS, "score": np.zeros(200)}), folder / "unknown.parquet")
    scores = score_expected(folder / "unknown.parquet", started(folder / "exact")).served
    pq.write_table(pa.table({**PAIRS, "score": scores}), folder / "expected.parquet")
    pq.write_table(pa.table({**PAIRS, "score": scores + 0.01}), folder / "wrong.parquet")
    return folder


def test_a_narrowed_bundle_is_held_against_the_trainers_scores_as_it_was_before(inputs: Path) -> None:
    build(options(inputs, "narrowed", narrow=True, expected="expected.parquet"), SILENT)
    narrowed, whole = started(inputs / "narrowed"), started(inputs / "narrowed", whole=True)
    assert narrowed.ways["default"].rank.ranker.description.form == "narrowed"
    assert whole.ways["default"].rank.ranker.description.form == "whole"
    served = score_expected(inputs / "expected.parquet", narrowed)
    spread = np.ptp(served.expected)
    assert 1e-4 < np.abs(served.served - served.expected).max() < 0.1 * spread, "it is the narrowed one that serves"
    assert np.corrcoef(served.served, served.expected)[0, 1] > 0.999


def test_narrowing_does_not_hide_scores_that_are_wrong(inputs: Path) -> None:
    with pytest.raises(ArtifactError, match="where the trainer got"):
        build(options(inputs, "refused", narrow=True, expected="wrong.parquet"), SILENT)
    assert not (inputs / "refused").exists()
