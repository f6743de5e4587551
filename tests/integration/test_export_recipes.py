"""The recipes of examples/: each script runs where its libraries are, the command that it prints builds a bundle in which the trainer's scores come
out again, and the bundle's exact slates are those of plain NumPy and onnxruntime.

The libraries live in an environment of their own: `make recipes` makes it, EARSHOT_TRAIN_PYTHON or .venv-train names it. What is missing is skipped.
"""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest

from domain.request import RecommendRequest
from domain.terms import Terms
from engine.open import StartOptions, prepare
from tests.integration.server_process import ROOT, environment, run_command
from tests.worlds import World, assert_same_slate

PYTHON = Path(os.environ.get("EARSHOT_TRAIN_PYTHON", ROOT / ".venv-train/bin/python"))
EXAMPLES = ROOT / "examples"
SHARED = {"listening", "one_matrix", "own_listens"}  # the last one is run by test_own_listens.py
GENRES, COUNTRIES = ("folk", "jazz", "rock", "techno"), ("SE", "GB", "IN", "BR")
DEFAULT_HOUR = 12.0


@dataclass(frozen=True)
class Tables:
    """What a recipe wrote, as plain arrays and lists."""

    creator_ids: list
    creators: np.ndarray
    followers: np.ndarray
    genres: list
    user_ids: list
    users: np.ndarray
    ages: list
    countries: list
    history: list

    @classmethod
    def read(cls, directory):
        creators, users = (pq.read_table(directory / f"{name}.parquet").to_pydict() for name in ("creators", "users"))
        vectors = [np.array(table["embedding"], np.float32) for table in (creators, users)]
        followers = np.array(creators["followers"])
        return cls(
            creators["creator_id"],
            vectors[0],
            followers,
            creators["genre"],
            users["user_id"],
            vectors[1],
            users["age_days"],
            users["country"],
            users["history"],
        )


def one_matrix(unknown_age):
    """Feeds a model with one input "features"."""

    def feeds(tables, user, rows, similarities, hour):
        n = len(rows)
        age = unknown_age if tables.ages[user] is None else tables.ages[user]
        genre = [GENRES.index(tables.genres[row]) for row in rows]
        parts = [
            np.tile(tables.users[user], (n, 1)),
            np.full(n, age),
            tables.creators[rows],
            tables.followers[rows],
            genre,
            np.full(n, hour),
            similarities,
        ]
        return {"features": np.column_stack(parts).astype(np.float32)}

    return feeds


def user_creator_context(tables, user, rows, similarities, hour):
    age = tables.ages[user]
    country = tables.countries[user]
    return {
        "user": np.array([[*tables.users[user], 0.0 if age is None else age, age is not None]], np.float32),
        "country": np.array([0 if country is None else COUNTRIES.index(country) + 1]),
        "context": np.array([[hour]], np.float32),
        "creator": np.column_stack([tables.creators[rows], tables.followers[rows]]).astype(np.float32),
        "genre": np.array([GENRES.index(tables.genres[row]) + 1 for row in rows]),
        "similarity": similarities[:, None],
    }


def history(tables, user, rows, similarities, hour):
    newest = [tables.creator_ids.index(creator_id) for creator_id in tables.history[user][-12:]]
    past, mask = np.zeros((1, 12, 16), np.float32), np.zeros((1, 12), np.float32)
    past[0, : len(newest)], mask[0, : len(newest)] = tables.creators[newest], 1
    return {"creator": tables.creators[rows], "history": past, "history_mask": mask, "context": np.array([[hour]], np.float32)}


@dataclass(frozen=True)
class Recipe:
    """One way to run a script. feeds(tables, user, rows, similarities, hour); combine: outputs -> scores."""

    script: str
    libraries: tuple[str, ...]
    feeds: Callable
    arguments: tuple[str, ...] = ()
    combine: Callable = lambda outputs: outputs[0].reshape(-1)


def both_heads(outputs):
    return (outputs[0] + np.float32(0.3) * outputs[1]).reshape(-1)


TORCH, SKLEARN = ("torch", "onnxscript", "onnx", "pyarrow"), ("sklearn", "skl2onnx", "pyarrow")
CLASSIC = ("--exporter", "classic")
RECIPES = {
    "pytorch_mlp": Recipe("pytorch_mlp", TORCH, user_creator_context),
    "pytorch_mlp_classic": Recipe("pytorch_mlp", TORCH, user_creator_context, CLASSIC),
    "pytorch_history": Recipe("pytorch_history", TORCH, history, combine=both_heads),
    "pytorch_history_classic": Recipe("pytorch_history", TORCH, history, CLASSIC, both_heads),
    "pytorch_batch_norm": Recipe("pytorch_batch_norm", TORCH, one_matrix(0.0)),
    "scikit_learn_regressor": Recipe("scikit_learn", SKLEARN, one_matrix(0.0)),
    "scikit_learn_classifier": Recipe("scikit_learn", SKLEARN, one_matrix(0.0), ("--model", "classifier"), lambda outputs: outputs[1][:, 1]),
    "lightgbm_ranker": Recipe("lightgbm_ranker", ("lightgbm", "onnxmltools", "pyarrow"), one_matrix(np.nan)),
    "xgboost_ranker": Recipe("xgboost_ranker", ("xgboost", "onnxmltools", "pyarrow"), one_matrix(np.nan)),
}


@pytest.fixture(scope="module")
def libraries():
    """Which of the libraries the training environment has."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make recipes, or name another one with EARSHOT_TRAIN_PYTHON")
    names = sorted({name for recipe in RECIPES.values() for name in recipe.libraries})
    look = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    return subprocess.run([PYTHON, "-c", look], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def run_recipe(libraries, tmp_path_factory):
    """name -> (its directory, the words of the command that it printed). Each runs once."""
    done = {}

    def run(name):
        recipe = RECIPES[name]
        missing = [library for library in recipe.libraries if f"'{library}'" not in libraries]
        if missing:
            pytest.skip(f"{PYTHON} has no {missing[0]}")
        if name not in done:
            out = tmp_path_factory.mktemp("recipe") / f"my {name}"  # a space: the printed command has to survive the shell
            command = [PYTHON, EXAMPLES / f"{recipe.script}.py", out, *recipe.arguments]
            ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)
            assert ran.returncode == 0, ran.stderr
            done[name] = out, shlex.split(ran.stdout.splitlines()[-1])
        return done[name]

    return run


@pytest.fixture(scope="module", params=RECIPES)
def built(request, run_recipe):
    """(recipe, directory), after the printed command."""
    directory, command = run_recipe(request.param)
    assert command[:2] == [".venv/bin/earshot", "build"]
    assert "--expected" in command
    done = run_command(*command[1:], timeout_s=120)
    assert done.returncode == 0, done.stderr
    return RECIPES[request.param], directory


def test_the_exact_slates_are_those_of_the_exported_model_alone(built):
    recipe, directory = built
    engine = prepare(directory / "bundle").start(StartOptions("cpu"), time.monotonic, refuse)
    tables = Tables.read(directory)
    for user in (0, 17, 18, 50, 119):
        for hour in (8.0, None):
            world = world_of(recipe, directory, tables, DEFAULT_HOUR if hour is None else hour)
            sent = {} if hour is None else {"hour": hour}
            request = RecommendRequest("r", tables.user_ids[user], context_features=sent, exact=True, page_size=40)
            answer = engine.recommend(request, Terms.unhurried(time.monotonic))
            assert answer.degradations == ()
            served = list(zip(engine.creators.ids_of(answer.slate.rows), answer.slate.scores.tolist(), strict=True))
            every = np.arange(len(tables.creator_ids))
            scores = world.scores(user, every, world.similarities(user).astype(np.float32))
            assert_same_slate(served, world.reference_slate(user, 200, 40), dict(zip(tables.creator_ids, scores.tolist(), strict=True)))


def test_two_columns_that_changed_places_are_seen_by_the_expected_scores(run_recipe, tmp_path):
    directory, command = run_recipe("scikit_learn_regressor")
    model = onnx.load(directory / "ranker.onnx")
    binding = json.loads(model.metadata_props[0].value)
    columns = binding["inputs"]["features"]["columns"]
    columns[3], columns[4] = columns[4], columns[3]
    model.metadata_props[0].value = json.dumps(binding)
    onnx.save(model, tmp_path / "ranker.onnx")
    changed = {str(directory / "ranker.onnx"): str(tmp_path / "ranker.onnx"), str(directory / "bundle"): str(tmp_path / "bundle")}
    refused = run_command(*(changed.get(word, word) for word in command[1:]), timeout_s=120)
    assert refused.returncode == 2
    assert "QUALITY_GATE: the served ranker gives" in refused.stderr


def test_every_script_of_the_examples_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} - SHARED == {recipe.script for recipe in RECIPES.values()}


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


def world_of(recipe, directory, tables, hour):
    """The recipe's files as a world whose reference is the exported model, asked at one hour."""
    return World(
        directory,
        tables.creator_ids,
        tables.user_ids,
        tables.creators,
        tables.users,
        lambda user, rows, similarities: recipe.feeds(tables, user, rows, similarities, hour),
        [[] for _ in tables.user_ids],
        combine=recipe.combine,
    )
