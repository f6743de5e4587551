"""The slate follows the ranker; nothing is lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidates, Ranked, Source
from slate.top_n import TopNComposer


def ranked(count, order_length=None, seed=0):
    random = np.random.default_rng(seed)
    rows = random.permutation(10 * count + 1)[:count].astype(np.int64)
    candidates = Candidates.of(rows, np.sort(random.random(count).astype(np.float32))[::-1], Source.INDEX)
    scores = random.normal(size=count).astype(np.float32)
    scores[random.random(count) < 0.2] = np.nan
    order = np.argsort(-scores, kind="stable")
    return Ranked(candidates, scores, order[:order_length], "whole")


@given(st.integers(0, 60), st.integers(0, 70), st.integers(0, 1000))
def test_every_candidate_is_shown_or_in_reserve_and_the_shown_follow_the_order(count, page_size, seed):
    made = ranked(count, None if seed % 2 else min(count, page_size), seed)
    slate = TopNComposer().compose(made, page_size)
    shown = made.order[:page_size]
    assert slate.rows.tolist() == made.candidates.rows[shown].tolist()
    assert np.array_equal(slate.scores, made.scores[shown], equal_nan=True)
    assert slate.similarities.tolist() == made.candidates.similarities[shown].tolist()
    assert len(slate) == min(page_size, count)
    assert sorted(slate.rows.tolist() + slate.reserve().tolist()) == sorted(made.candidates.rows.tolist())


def test_the_reserve_keeps_the_order_of_the_candidates():
    made = ranked(30)
    reserve = TopNComposer().compose(made, 5).reserve()
    places = [made.candidates.rows.tolist().index(row) for row in reserve]
    assert places == sorted(places)
