"""Near ties are in the whole form's order, whatever rounding makes of them in the form that is served."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from domain.candidates import Candidates, Source
from ranking.open import open_ranker
from ranking.settle import MOST_ROWS, Settler, near_ties, within_of_differences
from tests.unit.ranking.ranking_world import MODELS, NEVER, Compiled, compile_model, make_candidates, make_creators
from tests.unit.ranking.zoo import USER_COLUMNS, ZOO, Question

NARROW = 2.0**-12
SCORES = arrays.arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([np.nan, 0.0, NARROW, 2 * NARROW, 0.5, 0.5 + NARROW, 1.0]))


def near_ties_one_by_one(scores: np.ndarray, top_count: int, within: float) -> set[int]:
    """Who is in a chain of near neighbours that reaches among the best."""
    order = [int(i) for i in np.argsort(-scores, kind="stable")]
    chains: list[list[int]] = []
    for position in order:
        if chains and scores[chains[-1][-1]] - scores[position] <= within:
            chains[-1].append(position)
        else:
            chains.append([position])
    best = set(order[:top_count])
    return {position for chain in chains if len(chain) > 1 and best & set(chain) for position in chain}


@given(scores=SCORES, top_count=st.integers(1, 50))
def test_near_ties_are_the_chains_that_reach_among_the_best(scores, top_count) -> None:
    assert set(near_ties(scores, top_count, NARROW).tolist()) == near_ties_one_by_one(scores, top_count, NARROW)


def settler(wanted: np.ndarray, within: float = NARROW, **objective: float) -> Settler:
    """Of a whole form that gives `wanted` by row."""
    return Settler(lambda _user, candidates, _objective: wanted[candidates.rows], within, objective)


def of_rows(count: int) -> Candidates:
    return Candidates.of(np.arange(count), np.linspace(1, 0, count, dtype=np.float32), Source.INDEX)


def test_what_is_far_apart_keeps_its_score_and_near_ties_get_the_whole_forms():
    scores = np.array([3.0, 2.0, 2.0 + NARROW / 2, 1.0, np.nan], np.float32)
    wanted = np.array([9.0, 2.0, 2.0 - NARROW / 2, 9.0, 9.0], np.float32)
    settled = settler(wanted).settle(scores, None, of_rows(5), 3, {})
    np.testing.assert_array_equal(settled, [3.0, 2.0, 2.0 - NARROW / 2, 1.0, np.nan])


def test_scores_that_are_all_alike_are_no_near_ties():
    scores = np.ones(MOST_ROWS + 1, np.float32)
    assert settler(np.zeros(MOST_ROWS + 1, np.float32)).settle(scores, None, of_rows(MOST_ROWS + 1), 3, {}) is scores


def test_a_profile_that_weighs_a_head_more_has_wider_near_ties():
    weighed = settler(np.zeros(1, np.float32), 0.25, likes=2.0, follows=0.5)
    assert [weighed.within_of(objective) for objective in ({}, {"likes": 2.0}, {"likes": 1.0, "follows": 2.0})] == [0.25, 0.25, 1.0]


@pytest.mark.parametrize(("largest", "within"), [(0.0, 0.0), (1.0, 4.0), (1.1, 8.0), (1e-6, 2.0**-17)])
def test_near_is_a_power_of_two_some_times_the_largest_difference(largest, within):
    assert within_of_differences(largest) == within


def make_twins():
    """A catalogue in which every other creator is another one but for the last digits."""
    creators, rng = make_creators(), np.random.default_rng(6)
    twins = np.arange(len(creators)) // 2 * 2
    embeddings = creators.embeddings[twins] * (1 + rng.integers(-1, 2, creators.embeddings.shape) * 2.0**-23).astype(np.float32)
    columns = {n: replace(c, values=c.values[twins], present=None) for n, c in creators.columns.items() if c.offsets is None}
    return replace(creators, embeddings=embeddings, norms=np.linalg.norm(embeddings, axis=1), columns=creators.columns | columns)


def orders(compiled: Compiled, whole: bool, bare: bool = False):
    """The best 20 of 60 requests."""
    described = compiled.description.to_json() | ({"near": 0.0} if bare else {})
    ranker = open_ranker(compiled.directory, described, compiled.creators, whole=whole)
    for seed in range(60):
        candidates = make_candidates(200, seed)
        question = Question.of(seed, compiled.creators, candidates.rows, candidates.similarities)
        yield ranker.rank(question.user, candidates, 20, {}, NEVER).order.tolist()


def test_twins_come_in_the_whole_forms_order(tmp_path):
    model = ZOO["two towers + cross MLP"]
    compiled = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS, make_twins())
    wanted = list(orders(compiled, whole=True))
    assert list(orders(compiled, whole=False, bare=True)) != wanted, "otherwise this would show nothing"
    assert list(orders(compiled, whole=False)) == wanted


@pytest.mark.parametrize("shape", ZOO)
def test_the_best_of_every_shape_are_the_whole_forms(tmp_path, shape):
    model = ZOO[shape]
    compiled = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS, make_twins())
    assert list(orders(compiled, whole=False)) == list(orders(compiled, whole=True))


def test_a_whole_form_of_many_weights_settles_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("ranking.fold_ranker.MOST_SETTLING_BYTES", 1000)
    model = ZOO["two towers + cross MLP"]
    compiled = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS)
    assert (compiled.description.form, compiled.description.near) == ("folded", 0.0)
