"""The rungs of the ranking stage: fewer candidates, none, the ranker fails, some scores are not finite. Every rung is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidates, Ranked, Source
from domain.columns import InputSchema
from domain.deadline import Deadline
from domain.errors import Canceled, FieldViolation, InvalidRequest
from domain.request import User
from domain.slate import Degradation, DegradationReason, Plan, Stage
from domain.terms import Terms
from engine.chunks import Chunks
from engine.cost_model import CostModel
from engine.plan import Planner
from engine.rank_within import RankWithin
from engine.stage_cost import StageCost
from engine.trace import Trace
from ranking.order import order_with_unscored

USER = User("u", np.ones(2, np.float32), {}, {})


class ReversingRanker:
    """Scores grow with the position, so its order is the reverse of similarity order."""

    schema = InputSchema({}, {}, {})

    def __init__(self):
        self.calls = []

    def rank(self, user, candidates, top_count, objective, deadline):
        self.calls.append(len(candidates))
        scores = candidates.rows.astype(np.float32)
        return Ranked(candidates, scores, np.arange(len(candidates))[::-1][:top_count].astype(np.int64), "whole")


class HashingRanker(ReversingRanker):
    """Scores that look random, many of them equal and some not finite; each depends on its own row only."""

    def rank(self, user, candidates, top_count, objective, deadline):
        self.calls.append(len(candidates))
        scores = (candidates.rows * 7919 % 11).astype(np.float32)
        scores[candidates.rows * 7919 % 13 == 0] = np.nan
        order = order_with_unscored(scores, candidates.similarities, ID_RANKS[candidates.rows])
        return Ranked(candidates, scores, order[:top_count], "whole")


class SimilarityOrder:
    """The fallback."""

    schema = InputSchema({}, {}, {})

    def rank(self, user, candidates, top_count, objective, deadline):
        return Ranked(candidates, np.full(len(candidates), np.nan, np.float32), np.arange(len(candidates)), "none")


class BrokenRanker(ReversingRanker):
    """Fails in a way of the test's choice."""

    def __init__(self, failure):
        super().__init__()
        self.failure = failure

    def rank(self, user, candidates, top_count, objective, deadline):
        raise self.failure


class ShortRanker(ReversingRanker):
    """Breaks the row law."""

    def rank(self, user, candidates, top_count, objective, deadline):
        return super().rank(user, candidates.take(slice(0, len(candidates) - 1)), top_count, objective, deadline)


def candidates(count):
    return Candidates.of(np.arange(count, dtype=np.int64) + 100, np.linspace(1, 0, count, dtype=np.float32), Source.INDEX)


ID_RANKS = np.random.default_rng(7).permutation(1_000)


class SetTime:
    """A clock that moves by a second with each row that a ranker is given."""

    def __init__(self, ranker):
        self.ranker, self.now_s = ranker, 0.0

    def clock(self):
        return self.now_s

    def rank(self, user, candidates, *others):
        ranked = self.ranker.rank(user, candidates, *others)
        self.now_s += len(candidates)
        return ranked


class Told(StageCost):
    """Costs what it is told."""

    def sure(self, count, running=1, caution=1.0):
        return self.typical(count, running)

    def observe(self, count, running, actual_s, work_s):
        pass


def run(ranker, count=10, rank_count=None, remaining_s=1e6, top_count=5, active=lambda: True, **plan):
    """A ranker whose candidates cost a second each, as planned."""
    failures = []
    timed = SetTime(ranker)
    trace = Trace(timed.clock)
    planner = Planner(CostModel(rank=Told(0.0, 1.0)))
    within = RankWithin(timed, SimilarityOrder(), planner, {}, ID_RANKS, lambda stage, failure: failures.append(failure))
    planned = Plan(count, count if rank_count is None else rank_count, remaining_s, **plan)
    terms = Terms(Deadline.after(remaining_s, timed.clock), active=active)
    ranked, ranked_count = within.rank(USER, candidates(count), top_count, planned, terms, trace)
    assert failures or ranked_count == sum(ranker.calls)
    return ranked, trace.degradations, failures


def test_with_enough_time_everything_is_ranked_and_no_rung_is_named():
    ranked, degradations, _ = run(ReversingRanker())
    assert degradations == []
    assert ranked.order[:5].tolist() == [9, 8, 7, 6, 5]
    assert ranked.form == "whole"


def test_a_long_ranking_is_done_in_parts_where_a_stall_would_be_late():
    ranker = ReversingRanker()
    ranked, degradations, _ = run(ranker, count=300, remaining_s=1e6, sure_s=5e5)
    assert sum(ranker.calls) == 300
    assert len(ranker.calls) > 1
    assert degradations == []
    assert ranked.order[:5].tolist() == [299, 298, 297, 296, 295]


def test_with_less_time_the_most_similar_are_ranked_and_the_rest_follows_by_similarity():
    ranked, degradations, _ = run(ReversingRanker(), rank_count=3, remaining_s=3.5)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.DEADLINE, 10, 3)]
    assert ranked.order.tolist() == [2, 1, 0, 3, 4, 5, 6, 7, 8, 9]
    assert np.isnan(ranked.scores[3:]).all()
    assert not np.isnan(ranked.scores[:3]).any()


def test_time_that_is_left_after_the_planned_ones_goes_to_the_next():
    ranker = ReversingRanker()
    _, degradations, _ = run(ranker, count=40, rank_count=5, remaining_s=25.0)
    assert ranker.calls[0] == 5
    assert degradations == [Degradation(Stage.RANK, DegradationReason.DEADLINE, 40, 21)]


def test_what_the_allowance_does_not_pay_for_is_not_ranked_however_much_time_is_left():
    _, degradations, _ = run(ReversingRanker(), count=40, rank_count=20, allowed_count=20)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.OVERLOAD, 40, 20)]


def test_no_native_call_is_long_while_time_is_short():
    ranker = ReversingRanker()
    run(ranker, count=100, rank_count=90, remaining_s=90.0)
    assert max(ranker.calls) == 8


def test_a_caller_that_leaves_between_chunks_stops_the_ranking():
    ranker = ReversingRanker()
    answers = iter([True, False])
    with pytest.raises(Canceled, match="next chunk"):
        run(ranker, count=100, rank_count=90, active=lambda: next(answers))
    assert len(ranker.calls) == 2


def test_with_no_time_for_the_ranker_similarity_order_is_served():
    ranked, degradations, _ = run(ReversingRanker(), rank_count=0)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.DEADLINE, 10, 0)]
    assert ranked.form == "none"
    assert ranked.order.tolist() == list(range(10))


def test_a_ranker_that_fails_in_a_later_chunk_keeps_what_it_has_ranked():
    class FailsLater(ReversingRanker):
        def rank(self, *arguments):
            if self.calls:
                raise RuntimeError("boom")
            return super().rank(*arguments)

    ranked, degradations, failures = run(FailsLater(), count=40, rank_count=30)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.RANKER_FAILED, 40, 8)]
    assert len(failures) == 1
    assert ranked.order[:9].tolist() == [7, 6, 5, 4, 3, 2, 1, 0, 8]


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32))
def test_chunks_over_all_candidates_give_what_one_call_gives(count, top_count, seed):
    rows = np.random.default_rng(seed).permutation(1_000)[:count].astype(np.int64)
    similarities = np.sort(np.random.default_rng(seed).integers(0, 5, count).astype(np.float32))[::-1]
    order = np.lexsort((ID_RANKS[rows], -similarities))
    kept = Candidates.of(rows[order], similarities[order], Source.INDEX)
    whole = HashingRanker().rank(USER, kept, top_count, {}, None)
    chunks, random = Chunks(kept), np.random.default_rng(seed + 1)
    while chunks.ranked_count < count:
        part = chunks.next(int(random.integers(1, count - chunks.ranked_count + 1)))
        chunks.add(HashingRanker().rank(USER, part, top_count, {}, None))
    joined = chunks.joined(ID_RANKS)
    np.testing.assert_array_equal(joined.scores, whole.scores)
    assert joined.order[:top_count].tolist() == whole.order.tolist()


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

    _, degradations, _ = run(PartlyNan(), count=8)
    assert degradations == [Degradation(Stage.RANK, DegradationReason.RANKER_NONFINITE, 8, 6)]


def test_no_candidates_are_no_degradation():
    ranked, degradations, _ = run(ReversingRanker(), count=0, remaining_s=0.0)
    assert degradations == []
    assert len(ranked) == 0


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0, 60), st.integers(1, 40))
def test_every_candidate_keeps_its_place_in_the_row_law_whatever_the_time(count, rank_count, remaining_s, top_count):
    ranked, degradations, _ = run(ReversingRanker(), count, min(rank_count, count), remaining_s, top_count)
    assert len(ranked.scores) == count
    assert min(top_count, count) <= len(ranked.order) <= count
    assert len(set(ranked.order.tolist())) == len(ranked.order)
    scored = int(np.isfinite(ranked.scores).sum())
    assert [d.served_count for d in degradations] == ([scored] if scored < count else [])


class Counting(StageCost):
    """Counts what it is told."""

    told_count = 0

    def observe(self, count, running, actual_s, work_s):
        super().observe(count, running, actual_s, work_s)
        self.told_count += 1


def test_short_calls_are_observed_where_the_request_is_watched_or_one_just_took_too_long():
    clock, cost, step_s = [0.0], Counting(0.0, 1e-6), [1e-5]

    class Stepping(ReversingRanker):
        def rank(self, *arguments):
            clock[0] += step_s[0]
            return super().rank(*arguments)

    def now():
        return clock[0]

    planner = Planner(CostModel(rank=cost), work_clock=now)
    within = RankWithin(Stepping(), SimilarityOrder(), planner, {}, ID_RANKS, lambda *_: None)

    def rank(watched):
        trace = Trace(now, now if watched else None)
        within.rank(USER, candidates(10), 5, Plan(10, 10, 1.0, sure_s=1e-4), Terms(Deadline.after(1.0, now)), trace)
        return cost.told_count

    assert [rank(False), rank(True), rank(False)] == [0, 1, 1]
    step_s[0] = 1e-3
    assert rank(False) == 1  # too long: from here on every call is looked at
    step_s[0] = 1e-5
    assert [rank(False) for _ in range(10)] == [2, 3, 4, 5, 6, 7, 8, 9, 9, 9]
