"""The filter benchmark measures what it says: markets lie where they should, recall counts what it should, a missed target is named."""

from __future__ import annotations

import numpy as np
import pytest

from bench.filters.__main__ import problems
from bench.filters.cases import UNFILTERED, Case, Wish, cases
from bench.filters.measure import Line, recall_of
from bench.filters.world import ASKER_COUNT, FAR_SHARES, FEW, FEW_COUNT, RANDOM_SHARES, Catalogue, _markets, _tiers, far, thin
from bench.question import creator_id

COUNT = 3000


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def catalogue():
    random = np.random.default_rng(3)
    creators, askers = unit(random.normal(size=(COUNT, 8))), unit(random.normal(size=(ASKER_COUNT, 8)))
    return Catalogue(creators, askers, _markets(creators, askers, 1), _tiers(COUNT, 1))


def test_a_far_market_holds_the_farthest_share_and_nothing_nearer(catalogue):
    for name, share in FAR_SHARES.items():
        allowed = catalogue.markets[far(5, name)]
        nearness = catalogue.units @ catalogue.askers[5]
        assert allowed.sum() == round(share * COUNT)
        assert nearness[allowed].max() <= nearness[~allowed].min()


def test_a_thin_market_holds_half_of_all_and_a_tenth_of_the_nearest(catalogue):
    allowed = catalogue.markets[thin(2)]
    nearest = np.argsort(-(catalogue.units @ catalogue.askers[2]))[: COUNT // 20]
    assert 0.45 < allowed.mean() < 0.55
    assert allowed[nearest].mean() < 0.2


def test_markets_and_tiers_at_random_have_their_shares(catalogue):
    for name, share in RANDOM_SHARES.items():
        assert catalogue.markets[name].mean() == pytest.approx(share, abs=0.03)
    assert catalogue.markets[FEW].sum() == FEW_COUNT
    assert (catalogue.tiers == "tenth").mean() == pytest.approx(0.1, abs=0.03)


def test_every_case_sends_the_filter_that_the_reference_applies(catalogue):
    rows = {creator_id(row): row for row in range(COUNT)}
    for case in cases():
        wish = case.wish(catalogue, 1)
        sent, allowed = wish.message(), wish.allowed(catalogue)
        for row in [rows[name] for name in (*sent.excluded_creator_ids, *sent.seen_creator_ids)]:
            assert not allowed[row]
        if sent.tiers:
            assert set(catalogue.tiers[allowed]) <= set(sent.tiers)
        if sent.market:
            assert not (allowed & ~catalogue.markets.get(sent.market, np.zeros(COUNT, np.bool_))).any()
    assert cases()[0].name == UNFILTERED
    assert Wish().allowed(catalogue).all()


def test_recall_counts_allowed_creators_of_the_exact_answer_with_ties_as_equals():
    similarities, allowed = np.float32([0.9, 0.8, 0.8, 0.7, 0.6]), np.array([False, True, True, True, True])
    assert recall_of([1, 3], similarities, allowed, 2) == 0.5
    assert recall_of([1, 2], similarities, allowed, 2) == 1.0
    assert recall_of([1], similarities, allowed, 1) == recall_of([2], similarities, allowed, 1) == 1.0
    assert recall_of([0, 1], similarities, allowed, 2) == 0.5
    assert recall_of([1, 1], similarities, allowed, 2) == 0.5
    assert recall_of([1, 2, 3, 4], similarities, allowed, 100) == 1.0
    assert recall_of([], similarities, np.zeros(5, np.bool_), 3) == 1.0


def line(name, round_ms, ungated="", **figures):
    return Line(Case(name, lambda c, a: Wish(), ungated), round_ms=round_ms, **figures)


def test_a_missed_target_is_named_and_a_met_one_is_not():
    unfiltered = line(UNFILTERED, [1.0, 2.0, 10.0])
    fine, slow = line("fine", [2.0, 3.9, 19.0]), line("slow", [2.5, 4.1, 30.0])
    lines = [unfiltered, fine, slow]
    assert [problems(one, lines) for one in (unfiltered, fine)] == [[], []]
    assert problems(slow, lines) == ["latency is 2.50x the unfiltered one, 2x is allowed"]
    assert problems(line("long", [9.0, 9.0, 90.0], ungated="long"), lines) == []
    assert len(problems(line("bad", [1.0, 1.0, 1.0], recall=0.9, errors=1, short=2), lines)) == 2
