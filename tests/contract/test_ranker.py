"""What every Ranker promises: the served graph as a whole, split, and similarity order, which is the rung below both."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidates, Source
from domain.deadline import Deadline
from domain.progress import SILENT
from domain.request import RecommendRequest
from engine.build import BuildOptions, build
from engine.open import StartOptions, prepare
from ranking.similarity_ranker import SimilarityRanker
from tests.worlds import row_wise_world, split_world

NEVER = Deadline.never(time.monotonic)


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """One bundle per form of the served graph."""
    opened = {}
    for make in (row_wise_world, split_world):
        world = make(tmp_path_factory.mktemp(make.__name__), creator_count=400)
        files = {name: world.directory / file for name, file in FILES.items()}
        build(BuildOptions(**files, out=world.directory / "bundle"), SILENT)
        engine = prepare(world.directory / "bundle").start(StartOptions(), time.monotonic, refuse)
        opened[make.__name__] = (engine, engine.ways["default"].look_up.look_up(RecommendRequest("r", user_id=world.user_ids[0]), NEVER))
    return opened


FILES = {"creators": "creators.parquet", "users": "users.parquet", "ranker": "ranker.onnx", "binding": "binding.toml"}
RANKERS = ["row_wise_world", "split_world", "similarity"]


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(params=RANKERS, scope="module")
def ranker_for(request, engines):
    """(ranker, user, creators)"""
    engine, user = engines["row_wise_world" if request.param == "similarity" else request.param]
    ranker = SimilarityRanker(engine.creators) if request.param == "similarity" else engine.ways["default"].rank.ranker
    return ranker, user, engine.creators


def candidates_of(rows, seed=0):
    """Distinct rows, best similarity first, some of them equal."""
    similarities = np.sort(np.random.default_rng(seed).choice(np.linspace(0, 1, 50, dtype=np.float32), len(rows)))[::-1]
    return Candidates.of(np.array(rows, np.int64), similarities, Source.INDEX)


distinct_rows = st.lists(st.integers(0, 399), max_size=60, unique=True)


@given(distinct_rows, st.integers(1, 70))
def test_there_are_as_many_scores_as_rows_and_enough_of_the_order(ranker_for, rows, top_count):
    ranker, user, _ = ranker_for
    ranked = ranker.rank(user, candidates_of(rows), top_count, {}, NEVER)
    assert len(ranked) == len(ranked.scores) == len(rows)
    assert ranked.scores.dtype == np.float32
    assert min(top_count, len(rows)) <= len(ranked.order) <= len(rows)
    assert len(set(ranked.order.tolist())) == len(ranked.order)


@given(distinct_rows)
def test_the_order_is_by_score_then_by_similarity_then_by_creator_id(ranker_for, rows):
    ranker, user, creators = ranker_for
    candidates = candidates_of(rows)
    ranked = ranker.rank(user, candidates, max(1, len(rows)), {}, NEVER)

    def key(place):
        score, similarity = float(ranked.scores[place]), float(candidates.similarities[place])
        scored = not np.isnan(score)
        return (not scored, -score if scored else -similarity, int(creators.id_ranks[candidates.rows[place]]))

    assert ranked.order.tolist() == sorted(range(len(rows)), key=key)


@given(distinct_rows.filter(len), st.randoms(use_true_random=False))
def test_a_row_scores_the_same_wherever_it_stands_and_whoever_stands_beside_it(ranker_for, rows, random):
    ranker, user, _ = ranker_for
    candidates = candidates_of(rows)
    places = list(range(len(rows)))
    random.shuffle(places)
    some = np.array(places[: random.randint(1, len(places))])
    alone = ranker.rank(user, candidates.take(some), 5, {}, NEVER).scores
    together = ranker.rank(user, candidates, 5, {}, NEVER).scores[some]
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5)


def test_the_same_call_gives_the_same_bytes(ranker_for):
    ranker, user, _ = ranker_for
    first, second = (ranker.rank(user, candidates_of(range(100)), 20, {}, NEVER) for _ in range(2))
    assert first.scores.tobytes() == second.scores.tobytes()
    assert first.order.tolist() == second.order.tolist()


def test_the_form_says_how_the_scores_came_to_be(ranker_for):
    ranker, user, _ = ranker_for
    ranked = ranker.rank(user, candidates_of(range(10)), 5, {}, NEVER)
    assert ranked.form in {"whole", "split", "folded", "none"}
    assert np.isnan(ranked.scores).all() == (ranked.form == "none")
