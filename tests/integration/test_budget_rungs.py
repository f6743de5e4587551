"""The first rungs of the latency budget through the real engine of the demo world: what is cut is named, and a call without time costs no work."""

import time
from dataclasses import replace

import numpy as np
import pytest

from domain.deadline import Deadline
from domain.errors import BundleNotLoaded, DeadlinePassed, EmbeddingSpaceMismatch, InvalidRequest, UnknownUser
from domain.request import RecommendRequest
from domain.slate import Degradation, DegradationReason, Stage
from domain.terms import Terms
from engine.budget import RankingCost
from engine.open import StartOptions, prepare


@pytest.fixture(scope="module")
def engine(demo_bundle):
    failures = []
    return prepare(demo_bundle).start(StartOptions(), time.monotonic, lambda stage, failure: failures.append(failure))


def ask(engine, remaining_s=1000.0, **fields):
    deadline = Deadline(remaining_s, lambda: 0.0)
    return engine.recommend(RecommendRequest(request_id="r", **{"user_id": "listener-0001", **fields}), Terms(deadline))


def with_rank(engine, **changes):
    """The same engine with another ranking stage."""
    way = engine.ways["default"]
    return replace(engine, ways={"default": replace(way, rank=replace(way.rank, **changes))})


def test_with_time_enough_nothing_is_degraded(engine):
    assert ask(engine).degradations == ()


def test_a_deadline_that_has_passed_costs_no_work(engine):
    class Untouched:
        def __getattr__(self, name):
            raise AssertionError(f"{name} was asked for")

    with pytest.raises(DeadlinePassed):
        ask(replace(engine, ways={"default": Untouched()}), remaining_s=0.0)


def test_time_for_some_ranks_the_most_similar_and_says_how_many(engine):
    answer = ask(with_rank(engine, cost=RankingCost(0.0, 1.0)), remaining_s=50.5, page_size=20)
    assert answer.degradations == (Degradation(Stage.RANK, DegradationReason.DEADLINE, 200, 50),)
    assert answer.plan.rank_count == 50
    assert np.isfinite(answer.slate.scores).all()
    full = ask(engine, page_size=200)
    most_similar = set(full.slate.rows[np.argsort(-full.slate.similarities)][:50].tolist())
    assert set(answer.slate.rows.tolist()) <= most_similar


def test_no_time_for_the_ranker_is_answered_in_similarity_order(engine):
    answer = ask(with_rank(engine, cost=RankingCost(10.0, 1.0)), remaining_s=5.0)
    assert answer.degradations == (Degradation(Stage.RANK, DegradationReason.DEADLINE, 200, 0),)
    assert answer.scoring_form == "none"
    assert np.isnan(answer.slate.scores).all()
    assert (np.diff(answer.slate.similarities) <= 0).all()


def test_a_ranker_that_fails_is_answered_in_similarity_order(engine):
    class Broken:
        def rank(self, *_):
            raise RuntimeError("out of order")

    failures = []
    broken = with_rank(engine, ranker=Broken(), on_failure=lambda stage, failure: failures.append((stage, str(failure))))
    answer = ask(broken)
    assert answer.degradations == (Degradation(Stage.RANK, DegradationReason.RANKER_FAILED, 200, 0),)
    assert failures == [(Stage.RANK, "out of order")]
    assert (np.diff(answer.slate.similarities) <= 0).all()


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"user_id": "nobody"}, UnknownUser),
        ({"embeddings": {"elsewhere": np.ones(24, np.float32)}}, EmbeddingSpaceMismatch),
        ({"embeddings": {"": np.ones(23, np.float32)}}, InvalidRequest),
        ({"embeddings": {"": np.zeros(24, np.float32)}}, InvalidRequest),
        ({"embeddings": {"": np.full(24, 1e9, np.float32)}}, InvalidRequest),
        ({"context_features": {"weather": 1.0}}, InvalidRequest),
        ({"user_features": {"shoe_size": 1.0}}, InvalidRequest),
        ({"page_size": 50, "candidate_count": 49}, InvalidRequest),
        ({"bundle_version": "another"}, BundleNotLoaded),
    ],
)
def test_what_cannot_be_answered_is_refused_before_anything_is_searched(engine, fields, refusal):
    with pytest.raises(refusal):
        ask(engine, **fields)


def test_an_embedding_alone_is_enough_where_the_binding_has_defaults(engine):
    answer = ask(engine, user_id="", embeddings={"": np.ones(24, np.float32)})
    assert len(answer.slate) == 20


def test_the_embedding_of_the_bundles_space_is_taken(engine):
    space = engine.bundle.manifest.embedding_space
    named = ask(engine, user_id="", embeddings={space: np.ones(24, np.float32), "old": np.ones(3, np.float32)})
    unnamed = ask(engine, user_id="", embeddings={"": np.ones(24, np.float32)})
    assert named.slate.rows.tolist() == unnamed.slate.rows.tolist()
