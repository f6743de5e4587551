"""The first rungs of the latency budget through the real engine of the demo world: what is cut is named, and a call without time costs no work."""

import math
import time
from contextlib import suppress
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from domain.deadline import Deadline
from domain.errors import BundleNotLoaded, Canceled, DeadlinePassed, EmbeddingSpaceMismatch, InvalidRequest, UnknownUser
from domain.request import RecommendRequest
from domain.slate import Degradation, DegradationReason, Stage
from domain.terms import Terms, always
from engine.cost_model import CostModel
from engine.load import Load
from engine.open import StartOptions, prepare
from engine.plan import Planner
from engine.probe import Prober
from engine.stage_cost import StageCost


@pytest.fixture(scope="module")
def engine(demo_bundle):
    failures = []
    return prepare(demo_bundle).start(StartOptions(), time.monotonic, lambda stage, failure: failures.append(failure))


def frozen():
    return 0.0


def ask(engine, remaining_s=1000.0, allowance_s=math.inf, active=always, clock=frozen, **fields):
    terms = Terms(Deadline.after(remaining_s, clock), allowance_s, active)
    return engine.recommend(RecommendRequest(request_id="r", **{"user_id": "listener-0001", **fields}), terms)


def with_rank(engine, **changes):
    """The same engine with another ranking stage."""
    way = engine.ways["default"]
    return replace(engine, ways={"default": replace(way, rank=replace(way.rank, **changes))})


class Told(StageCost):
    """Costs what it is told, whatever the clock says."""

    def observe(self, count, running, actual_s, work_s):
        pass


class SlowRanker:
    """Another ranker, on a clock that it moves for each candidate."""

    def __init__(self, ranker, per_row_s=1.0):
        self.ranker, self.per_row_s, self.now_s = ranker, per_row_s, 0.0

    def clock(self):
        return self.now_s

    def rank(self, user, candidates, *others):
        self.now_s += self.per_row_s * len(candidates)
        return self.ranker.rank(user, candidates, *others)


def costing(engine, **costs):
    """The same engine on a machine where stages cost what is told, in seconds, and nothing else costs anything."""
    return with_rank(engine, planner=Planner(CostModel(**{name: Told(*cost) for name, cost in costs.items()})))


def test_with_time_enough_nothing_is_degraded(engine):
    assert ask(engine).degradations == ()


def test_a_deadline_that_has_passed_costs_no_work(engine):
    class Untouched:
        def __getattr__(self, name):
            raise AssertionError(f"{name} was asked for")

    with pytest.raises(DeadlinePassed):
        ask(replace(engine, ways={"default": Untouched()}), remaining_s=0.0)


def test_time_for_some_ranks_the_most_similar_and_says_how_many(engine):
    slow = SlowRanker(engine.ways["default"].rank.ranker, per_row_s=1.2)
    answer = ask(with_rank(costing(engine, rank=(0.0, 1.0)), ranker=slow), remaining_s=210.0, clock=slow.clock)
    (rung,) = answer.degradations
    assert (rung.stage, rung.reason, rung.wanted_count) == (Stage.RANK, DegradationReason.DEADLINE, 200)
    assert rung.served_count == answer.ranked_count >= answer.plan.rank_count > 100
    assert slow.now_s < 210.0
    assert np.isfinite(answer.slate.scores).all()
    full = ask(engine, page_size=200)
    most_similar = set(full.slate.rows[np.argsort(-full.slate.similarities)][: rung.served_count].tolist())
    assert set(answer.slate.rows.tolist()) <= most_similar


def test_what_cannot_be_ranked_in_time_is_not_even_retrieved(engine):
    slow = SlowRanker(engine.ways["default"].rank.ranker)
    answer = ask(with_rank(costing(engine, rank=(0.0, 1.0)), ranker=slow), remaining_s=75.5, clock=slow.clock)
    assert answer.degradations[0] == Degradation(Stage.RETRIEVE, DegradationReason.DEADLINE, 200, 75)
    assert answer.retrieved_count < 200
    assert 50 <= answer.ranked_count <= 75


def test_no_time_for_the_ranker_is_answered_in_similarity_order(engine):
    answer = ask(costing(engine, rank=(10.0, 1.0)), remaining_s=5.0)
    assert answer.degradations == (
        Degradation(Stage.RETRIEVE, DegradationReason.DEADLINE, 200, 20),
        Degradation(Stage.RANK, DegradationReason.DEADLINE, 20, 0),
    )
    assert answer.scoring_form == "none"
    assert answer.ranked_count == 0
    assert np.isnan(answer.slate.scores).all()
    assert (np.diff(answer.slate.similarities) <= 0).all()


def test_what_an_allowance_cuts_is_named_overload(engine):
    answer = ask(costing(engine, rank=(0.0, 1.0)), allowance_s=60.5)
    assert answer.degradations == (Degradation(Stage.RETRIEVE, DegradationReason.OVERLOAD, 200, 60),)
    assert answer.ranked_count == 60


def test_an_allowance_of_nothing_still_gets_a_page_in_similarity_order(engine):
    answer = ask(costing(engine, rank=(0.0, 1.0)), allowance_s=0.0)
    assert {rung.reason for rung in answer.degradations} == {DegradationReason.OVERLOAD}
    assert len(answer.slate) == 20
    assert answer.ranked_count == 0


def test_what_nobody_can_afford_is_probed_and_afforded_again(engine):
    starving = with_rank(engine, planner=Planner(CostModel(rank=StageCost(0.5, 1e-5, 200)), engine.load))
    prober = Prober(starving)
    assert ask(starving, remaining_s=0.2, clock=time.monotonic).ranked_count == 0
    for _ in range(20):
        prober._next_s = 0.0  # nobody waits for its intervals
        prober.run()
        answer = ask(starving, remaining_s=0.2, clock=time.monotonic)
    assert answer.degradations == ()
    assert answer.ranked_count == 200


def test_what_somebody_cannot_afford_is_not_probed_while_others_run_it(engine):
    costs = CostModel(rank=StageCost(0.5, 1e-5, 200))
    prober = Prober(with_rank(engine, planner=Planner(costs, engine.load)))
    counts = []
    for observed in (True, True, False):
        prober._next_s = 0.0  # nobody waits for its intervals
        if observed:
            costs.rank.observe(200, 1, 0.5, 0.5)
        costs.rank.starved = True
        before = costs.rank.observed_count
        prober.run()
        counts.append(costs.rank.observed_count - before)
    assert counts == [0, 0, 2]


def test_nothing_is_probed_where_everything_is_affordable(engine):
    costs = CostModel()
    prober = Prober(with_rank(engine, planner=Planner(costs, engine.load), ranker=SimpleNamespace(schema=None)))
    prober.run()
    assert costs.starved == ()


def test_no_time_for_a_page_is_refused_before_anything_is_searched(engine):
    def never_asked(*_):
        raise AssertionError("searched")

    way = engine.ways["default"]
    searching = SimpleNamespace(restrict=way.retriever.restrict, retrieve=never_asked)
    costly = costing(engine, retrieve=(10.0, 0.0))
    with pytest.raises(DeadlinePassed, match="similarity order"):
        ask(replace(costly, ways={"default": replace(costly.ways["default"], retriever=searching)}), remaining_s=5.0)


def test_a_caller_that_leaves_during_retrieval_is_not_ranked_for(engine):
    def never_asked(*_):
        raise AssertionError("ranked")

    answers = iter([True, False])
    with pytest.raises(Canceled, match="could rank"):
        ask(with_rank(engine, ranker=SimpleNamespace(rank=never_asked)), active=lambda: next(answers))


@pytest.mark.parametrize("leaves_after", [1, 2, 3])
def test_who_leaves_before_the_answer_is_counted_wherever_that_was_noticed(engine, leaves_after):
    """Between two stages, or after the last."""
    engine = replace(engine, load=Load())
    looks = count(1)
    ask(engine)
    assert engine.load.left_share == 0.0
    with suppress(Canceled):
        ask(engine, active=lambda: next(looks) < leaves_after)
    assert engine.load.left_share > 0.0


def test_the_diagnosis_estimates_what_the_cut_costs_from_the_curve_in_the_bundle(engine):
    some = costing(engine, rank=(0.0, 1.0))
    losses = [some.diagnose(ask(some, remaining_s=s)).estimated_loss for s in (10_000.0, 160.0, 40.0, 0.1)]
    assert losses[0] == 0.0
    assert losses == sorted(losses)
    assert 0.0 < losses[-1] < 1.0


def test_a_bundle_without_a_curve_gives_no_estimate(engine):
    bare = replace(engine, curve=None)
    assert bare.diagnose(ask(bare)).estimated_loss is None


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
