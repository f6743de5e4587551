"""The whole path in process, from parquet and ONNX to a slate, against plain NumPy and onnxruntime over the whole catalogue."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.progress import SILENT
from domain.request import CandidateFilter, RecommendRequest
from domain.terms import Terms
from engine.build import BuildOptions, build
from engine.open import StartOptions, prepare
from tests.worlds import assert_same_slate, row_wise_world, split_world

MAKERS = {
    "row_wise": row_wise_world,
    "row_wise_ip": lambda directory: row_wise_world(directory, space="ip", dimension_count=16, seed=5),
    "one_dimension": lambda directory: row_wise_world(directory, creator_count=120, dimension_count=1, seed=6),
    "split": split_world,
}


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(scope="module", params=sorted(MAKERS))
def served(request, tmp_path_factory):
    """A world with the engine that serves it."""
    world = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    out = world.directory / "bundle"
    options = BuildOptions(
        creators=world.directory / "creators.parquet",
        users=world.directory / "users.parquet",
        ranker=world.directory / "ranker.onnx",
        binding=world.directory / "binding.toml",
        out=out,
        space=world.space,
        threads=2,
    )
    build(options, SILENT)
    return world, prepare(out).start(StartOptions("cpu"), time.monotonic, refuse)


def ask(engine, **fields):
    request = RecommendRequest(request_id="r", **fields)
    return engine.recommend(request, Terms.unhurried(time.monotonic))


def slate_of(engine, recommended):
    return list(zip(engine.creators.ids_of(recommended.slate.rows), recommended.slate.scores.tolist(), strict=True))


def test_an_exact_slate_is_the_reference_slate(served):
    world, engine = served
    for user in range(0, len(world.user_ids), 3):
        expected = world.reference_slate(user, 200, 50)
        similarities = world.similarities(user)
        scores = world.scores(user, np.arange(len(world.creator_ids)), similarities.astype(np.float32))
        by_id = dict(zip(world.creator_ids, scores.tolist(), strict=True))
        answer = ask(engine, user_id=world.user_ids[user], exact=True, page_size=50)
        assert answer.degradations == ()
        assert answer.retrieval_method == "exact"
        assert_same_slate(slate_of(engine, answer), expected, by_id)


def test_recall_of_the_index_is_what_the_manifest_states(served):
    world, engine = served
    hits = wanted = 0
    for user, user_id in enumerate(world.user_ids):
        approximate = ask(engine, user_id=user_id, filter=CandidateFilter(include_followed=True))
        found = {*approximate.slate.rows.tolist(), *approximate.slate.reserve().tolist()}
        exact = np.argsort(-world.similarities(user), kind="stable")[:200]
        best = {world.creator_ids[row] for row in exact}
        hits += len(best & set(engine.creators.ids_of(np.array(sorted(found)))))
        wanted += len(best)
    assert hits / wanted >= engine.bundle.manifest.recall - 0.01


def test_similarities_are_those_of_the_reference(served):
    world, engine = served
    places = {creator_id: place for place, creator_id in enumerate(world.creator_ids)}
    for exact in (True, False):
        answer = ask(engine, user_id=world.user_ids[0], exact=exact)
        expected = world.similarities(0)[[places[i] for i in engine.creators.ids_of(answer.slate.rows)]]
        np.testing.assert_allclose(answer.slate.similarities, expected, rtol=2e-6, atol=2e-6)


def test_the_same_request_gives_the_same_answer(served):
    world, engine = served
    first, second = (ask(engine, user_id=world.user_ids[1]) for _ in range(2))
    assert slate_of(engine, first) == slate_of(engine, second)
    assert first.receipt == second.receipt


def test_followed_creators_are_left_out_unless_asked_for(served):
    world, engine = served
    user = max(range(len(world.user_ids)), key=lambda u: len(world.followed[u]))
    followed = {world.creator_ids[row] for row in world.followed[user]}
    without = ask(engine, user_id=world.user_ids[user], page_size=500, candidate_count=5000)
    assert not followed & set(engine.creators.ids_of(without.slate.rows))
    assert without.removed.counts() in ({}, {"followed": len(without.removed)})


requests = st.fixed_dictionaries(
    {
        "page_size": st.integers(1, 60),
        "candidate_count": st.sampled_from([0, 60, 200, 1000, 5000]),
        "exact": st.booleans(),
        "user": st.integers(0, 39),
        "excluded": st.lists(st.integers(0, 119), max_size=30),
        "seen": st.lists(st.integers(0, 119), max_size=30),
        "include_followed": st.booleans(),
    }
)


@given(requests)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_retrieved_row_ends_exactly_once_as_served_removed_or_in_reserve(served, wanted):
    world, engine = served
    candidate_filter = CandidateFilter(
        excluded_ids=tuple(world.creator_ids[i] for i in wanted["excluded"]),
        seen_ids=tuple(world.creator_ids[i] for i in wanted["seen"]),
        include_followed=wanted["include_followed"],
    )
    answer = ask(
        engine,
        user_id=world.user_ids[wanted["user"]],
        page_size=wanted["page_size"],
        candidate_count=wanted["candidate_count"],
        exact=wanted["exact"],
        filter=candidate_filter,
    )
    ends = Counter([*answer.slate.rows.tolist(), *answer.slate.reserve().tolist(), *answer.removed.rows.tolist()])
    assert set(ends.values()) <= {1}
    assert sum(ends.values()) == answer.retrieved_count
    shown = set(engine.creators.ids_of(answer.slate.rows))
    assert not shown & {*candidate_filter.excluded_ids, *candidate_filter.seen_ids}
    followed = set() if wanted["include_followed"] else set(world.followed[wanted["user"]])
    denied = {*wanted["excluded"], *wanted["seen"], *followed}
    assert len(shown) == min(wanted["page_size"], len(world.creator_ids) - len(denied))
