"""The rungs of the ranking stage: fewer candidates, none, the ranker fails, some scores are not finite. Every rung is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidates, Ranked, Source
from domain.columns import InputSchema
from domain.deadline import Deadline
from domain.errors import FieldViolation, InvalidRequest
from domain.request import User
from domain.slate import Degradation, DegradationReason, Stage
from engine.budget import RankingCost
from engine.rank_within import RankWithin
from engine.trace import Trace

USER = User("u", np.ones(2, np.float32), {}, {})


class ReversingRanker:
    """Scores grow with the position, so its order is the reverse of similarity order."""

    schema = InputSchema({}, {}, {})

    def rank(self, user, candidates, top_count, objective, deadline):
        scores = np.arange(len(candidates), dtype=np.float32)
        return Ranked(candidates, scores, np.arange(len(candidates))[::-1][:top_count].astype(np.int64), "whole")


class SimilarityOrder:
    """The fallback."""

    schema = InputSchema({}, {}, {})

    def rank(self, user, candidates, top_count, objective, deadline):
        return Ranked(candidates, np.full(len(candidates), np.nan, np.float32), np.arange(len(candidates)), "none")


class BrokenRanker(ReversingRanker):
    """Fails in a way of the test's choice."""

    def __init__(self, failure):
        self.failure = failure

    def rank(self, user, candidates, top_count, objective, deadline):
        raise self.failure


class ShortRanker(ReversingRanker):
    """Breaks the row law."""

    def rank(self, user, candidates, top_count, objective, deadline):
        return super().rank(user, candidates.take(slice(0, len(candidates) - 1)), top_count, objective, deadline)


def candidates(count):
    return Candidates.of(np.arange(count, dtype=np.int64) + 100, np.linspace(1, 0, count, dtype=np.float32), Source.INDEX)


def run(ranker, count=10, remaining_s=1.0, cost=RankingCost(), top_count=5):
    failures = []
    trace = Trace(lambda: 0.0)
    within = RankWithin(ranker, SimilarityOrder(), cost, {}, lambda stage, failure: failures.append(failure))
    rank_count = cost.affordable(remaining_s, count)
    ranked = within.rank(USER, candidates(count), rank_count, top_count, Deadline.after(remaining_s, lambda: 0.0), trace)
    return ranked, trace.degradations, failures


def test_with_enough_time_everything_is_ranked_and_no_rung_is_named():
    ranked, degradations, _ = run(ReversingRanker())
    assert degradations == []
    assert ranked.order.tolist() == [9, 8, 7, 6, 5]
    assert ranked.form == "whole"


def test_with_less_time_the_most_similar_are_ranked_and_the_rest_follows_by_similarity():
    ranked, degradations, _ = run(ReversingRanker(), remaining_s=0.0035, cost=RankingCost(0.0, 0.001), top_count=5)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.DEADLINE, 10, 3)]
    assert ranked.order.tolist() == [2, 1, 0, 3, 4, 5, 6, 7, 8, 9]
    assert np.isnan(ranked.scores[3:]).all()
    assert not np.isnan(ranked.scores[:3]).any()


def test_with_no_time_for_the_ranker_similarity_order_is_served():
    ranked, degradations, _ = run(ReversingRanker(), remaining_s=0.001, cost=RankingCost(0.01, 0.001))
    assert degradations == [Degradation(Stage.RANK, DegradationReason.DEADLINE, 10, 0)]
    assert ranked.form == "none"
    assert ranked.order.tolist() == list(range(10))


@pytest.mark.parametrize("ranker", [BrokenRanker(RuntimeError("boom")), BrokenRanker(MemoryError()), ShortRanker()])
def test_a_failing_ranker_is_reported_and_similarity_order_takes_its_place(ranker):
    ranked, degradations, failures = run(ranker)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.RANKER_FAILED, 10, 0)]
    assert len(failures) == 1
    assert ranked.order.tolist() == list(range(10))


def test_a_request_that_the_ranker_refuses_is_no_rung():
    refusal = InvalidRequest(FieldViolation('user.features["age"]', "is missing"))
    with pytest.raises(InvalidRequest, match="age"):
        run(BrokenRanker(refusal))


def test_scores_that_are_not_finite_are_counted_per_row():
    class PartlyNan(ReversingRanker):
        def rank(self, user, candidates, top_count, objective, deadline):
            ranked = super().rank(user, candidates, top_count, objective, deadline)
            scores = ranked.scores.copy()
            scores[[2, 4]] = np.nan
            return Ranked(candidates, scores, ranked.order, "whole")

    _, degradations, _ = run(PartlyNan())
    assert degradations == [Degradation(Stage.RANK, DegradationReason.RANKER_NONFINITE, 10, 8)]


def test_no_candidates_are_no_degradation():
    ranked, degradations, _ = run(ReversingRanker(), count=0, remaining_s=0.0, cost=RankingCost(1.0, 1.0))
    assert degradations == []
    assert len(ranked) == 0


@given(st.integers(0, 40), st.floats(0, 0.05), st.integers(1, 40))
def test_every_candidate_keeps_its_place_in_the_row_law_whatever_the_time(count, remaining_s, top_count):
    ranked, degradations, _ = run(ReversingRanker(), count, remaining_s, RankingCost(0.002, 0.001), top_count)
    assert len(ranked.scores) == count
    assert min(top_count, count) <= len(ranked.order) <= count
    assert len(set(ranked.order.tolist())) == len(ranked.order)
    scored = int(np.isfinite(ranked.scores).sum())
    assert [d.served_count for d in degradations] == ([scored] if scored < count else [])
