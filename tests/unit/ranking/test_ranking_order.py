"""Order and the row law: ties, scores that are not finite, heads, permutations, and batches of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from domain.candidates import Candidates, Source
from domain.errors import ConfigurationError
from ranking.order import order_with_unscored
from ranking.similarity_ranker import SimilarityRanker
from tests.unit.ranking.ranking_world import (
    COUNT,
    MODELS,
    NEVER,
    binding_text,
    compile_model,
    make_candidates,
    make_creators,
    make_user,
    model_of,
    value,
    weighing,
)

CREATORS = make_creators()
USER = make_user()


@pytest.fixture(scope="module")
def by_code(tmp_path_factory):
    """score = creator.genre: 300 creators share four scores."""
    return compile_model(tmp_path_factory.mktemp("genre"), weighing(), binding_text('"creator.genre"'))


@pytest.fixture(scope="module")
def logarithm(tmp_path_factory):
    """score = log(similarity): NaN below zero, -inf at zero."""
    nodes = [helper.make_node("Log", ["x"], ["score"])]
    model = model_of(nodes, [value("x", "float32", ["n"])], [value("score", "float32", ["n"])])
    return compile_model(tmp_path_factory.mktemp("log"), model, binding_text('"retrieval.similarity"'))


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """a = creator.quality, b = similarity."""
    nodes = [helper.make_node("Identity", ["q"], ["a"]), helper.make_node("Cast", ["s"], ["b"], to=TensorProto.DOUBLE)]
    inputs = [value("q", "float32", ["n", 1]), value("s", "float32", ["n"])]
    model = model_of(nodes, inputs, [value("a", "float32", ["n", 1]), value("b", "float64", ["n"])])
    binding = """
version = 1
objective = { a = 1.0, b = 0.5 }
[inputs.q]
per = "candidate"
columns = ["creator.quality"]
[inputs.s]
per = "candidate"
columns = ["retrieval.similarity"]
"""
    return compile_model(tmp_path_factory.mktemp("heads"), model, binding)


def plain_order(scores, candidates):
    """The order by its definition, one candidate at a time."""
    ids = [CREATORS.ids[r] for r in candidates.rows]
    key = lambda i: (1, -candidates.similarities[i], ids[i]) if not np.isfinite(scores[i]) else (0, -scores[i], ids[i])  # noqa: E731
    return sorted(range(len(scores)), key=key)


@pytest.mark.parametrize("top_count", [1, 7, 100, 500])
def test_ties_break_by_creator_id(by_code, top_count):
    candidates = make_candidates(100)
    ranked = by_code.rank(USER, candidates, top_count)
    assert ranked.order.tolist() == plain_order(ranked.scores, candidates)[:top_count]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 60), top_count=st.integers(0, 80), seed=st.integers(0, 1000))
def test_the_order_is_a_prefix_of_the_full_one_and_long_enough(by_code, count, top_count, seed):
    candidates = make_candidates(count, seed)
    ranked = by_code.rank(USER, candidates, top_count)
    assert ranked.scores.dtype == np.float32
    assert ranked.order.dtype == np.int64
    assert len(ranked.scores) == count
    assert len(ranked.order) >= min(top_count, count)
    assert ranked.order.tolist() == plain_order(ranked.scores, candidates)[: len(ranked.order)]


def test_nothing_to_rank_is_no_error(by_code):
    ranked = by_code.rank(USER, Candidates.empty(), 10)
    assert (len(ranked.scores), len(ranked.order), ranked.form) == (0, 0, by_code.description.form)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 0.5, 1.0]), min_size=1, max_size=40), st.integers(1, 50))
def test_scores_that_are_not_finite_are_absent_and_follow_by_similarity(logarithm, similarities, top_count):
    candidates = make_candidates(len(similarities), similarities=np.array(similarities, np.float32))
    ranked = logarithm.rank(USER, candidates, top_count)
    assert np.array_equal(np.isnan(ranked.scores), candidates.similarities <= 0)
    assert not np.isinf(ranked.scores).any()
    assert ranked.order.tolist() == plain_order(ranked.scores, candidates)[: len(ranked.order)]
    assert len(ranked.order) >= min(top_count, len(similarities))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 80))
def test_shuffled_candidates_get_their_own_scores_and_the_same_order(heads, seed, count):
    candidates = make_candidates(count)
    shuffle = np.random.default_rng(seed).permutation(count)
    ranked, again = heads.rank(USER, candidates, 20), heads.rank(USER, candidates.take(shuffle), 20)
    assert np.array_equal(again.scores, ranked.scores[shuffle])
    assert np.array_equal(shuffle[again.order], ranked.order)


@settings(max_examples=20, deadline=None)
@given(split=st.integers(0, 90))
@pytest.mark.parametrize("name", ["torch_dynamo_mlp", "lightgbm_regressor"])
def test_a_batch_scores_as_its_parts_do(parts, name, split):
    compiled, user = parts[name]
    candidates = make_candidates(90)
    together = compiled.rank(user, candidates).scores
    apart = [compiled.rank(user, candidates.take(piece)).scores for piece in (slice(0, split), slice(split, None))]
    assert np.allclose(together, np.concatenate(apart), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    columns = '"user.embedding", "user.age", "creator.embedding", "creator.quality", "creator.followers", "context.hour", "retrieval.similarity"'
    user = make_user(features={"age": np.float32(3)}, context={"hour": np.float32(4)})
    outputs = {"torch_dynamo_mlp": "score", "lightgbm_regressor": "variable"}
    binding = binding_text(columns, name="features")
    return {
        name: (compile_model(tmp_path_factory.mktemp(name), MODELS / f"{name}.onnx", binding.replace('"score"', f'"{output}"')), user)
        for name, output in outputs.items()
    }


def test_heads_are_weighed_by_the_objective_of_the_call(heads):
    candidates = make_candidates(50)
    a = CREATORS.columns["quality"].values[candidates.rows].astype(np.float32)
    b = candidates.similarities
    for objective, wanted in (({}, a + 0.5 * b), ({"a": 0.0, "b": 2.0}, 2 * b), ({"b": 1.0}, b), ({"a": -1.0}, -a)):
        ranked = heads.rank(USER, candidates, 50, objective)
        assert np.allclose(ranked.scores, wanted, atol=1e-6)
        assert np.array_equal(ranked.order, plain_order(ranked.scores, candidates))


def test_an_objective_may_name_only_heads_that_there_are(heads, by_code):
    heads.ranker.check_objective({"a": 1.0})
    with pytest.raises(ConfigurationError, match=r'"c".*its heads are: a, b'):
        heads.ranker.check_objective({"c": 1.0})
    with pytest.raises(ConfigurationError, match="it has a single output"):
        by_code.ranker.check_objective({"a": 1.0})
    by_code.ranker.check_objective({})


@given(st.lists(st.tuples(st.sampled_from([float("nan"), -1.0, 0.0, 2.0]), st.sampled_from([0.1, 0.2, 0.3])), max_size=30))
def test_the_slow_order_is_the_order_by_its_definition(pairs):
    scores = np.array([s for s, _ in pairs], np.float32)
    candidates = make_candidates(len(pairs), similarities=np.array([s for _, s in pairs], np.float32))
    order = order_with_unscored(scores, candidates.similarities, CREATORS.id_ranks[candidates.rows])
    assert order.tolist() == plain_order(scores, candidates)


def test_similarity_order_scores_nothing_and_breaks_ties_by_id():
    candidates = Candidates.of(np.arange(COUNT), np.repeat(np.float32([0.9, 0.5, 0.1]), COUNT // 3), Source.INDEX)
    ranked = SimilarityRanker(CREATORS).rank(USER, candidates, 5, {}, NEVER)
    assert np.isnan(ranked.scores).all()
    assert ranked.form == "none"
    assert ranked.order.tolist() == plain_order(ranked.scores, candidates)
