"""Restrictions, held against plain Python sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candidates import Candidates, RemovalReason, Source
from domain.request import CandidateFilter
from retrieval.restriction import Restrictor
from tests.unit.retrieval.world import clustered, creators_of, user

COUNT = 120
RANDOM = np.random.default_rng(8)
MARKETS = [[None, [], ["SE"], ["SE", "GB"], ["JP"]][kind] for kind in RANDOM.integers(0, 5, COUNT)]
TIER_NAMES = ("", "emerging", "star")
TIERS = RANDOM.integers(0, 3, COUNT).tolist()
IDS = [f"creator-{n}" for n in RANDOM.permutation(COUNT)]
CREATORS = creators_of(clustered(1, COUNT, 3), IDS, MARKETS, TIERS, TIER_NAMES)
BARE = creators_of(clustered(1, COUNT, 3), IDS)

some_ids = st.lists(st.sampled_from([*IDS, "nobody", "", "x" * 400, "creator-é"]), max_size=30).map(tuple)
filters = st.builds(
    CandidateFilter,
    market=st.sampled_from(["", "SE", "GB", "JP", "ATLANTIS"]),
    excluded_ids=some_ids,
    tiers=st.lists(st.sampled_from(["", "emerging", "star", "unheard of"]), max_size=2).map(tuple),
    include_followed=st.booleans(),
    seen_ids=some_ids,
)
followed_rows = st.lists(st.integers(0, COUNT - 1), max_size=20)


def reason_of(row, wanted, followed):
    """What plain Python says about one row: the first reason, or None."""
    if wanted.market and MARKETS[row] is not None and wanted.market not in MARKETS[row]:
        return RemovalReason.MARKET
    if wanted.tiers and TIER_NAMES[TIERS[row]] not in wanted.tiers:
        return RemovalReason.TIER
    for reason, ids in ((RemovalReason.EXCLUDED, wanted.excluded_ids), (RemovalReason.SEEN, wanted.seen_ids)):
        if IDS[row] in ids:
            return reason
    return RemovalReason.FOLLOWED if row in followed and not wanted.include_followed else None


def candidates(rows):
    rows = np.array(rows, np.int64)
    return Candidates.of(rows, np.linspace(1, 0, len(rows), dtype=np.float32), Source.INDEX)


@settings(deadline=None)
@given(filters, followed_rows, st.permutations(range(COUNT)))
def test_each_row_is_kept_or_removed_for_the_first_reason_that_applies(wanted, followed, rows):
    restriction = Restrictor(CREATORS).restrict(wanted, user(followed))
    kept, removed = restriction.split(candidates(rows))
    truth = {row: reason_of(row, wanted, followed) for row in rows}
    assert kept.rows.tolist() == [row for row in rows if truth[row] is None]
    assert dict(zip(removed.rows.tolist(), removed.reasons.tolist(), strict=True)) == {row: why for row, why in truth.items() if why is not None}
    assert len(kept) + len(removed) == COUNT
    assert restriction.allows(np.array(rows)).tolist() == [truth[row] is None for row in rows]


@settings(deadline=None)
@given(filters, followed_rows)
def test_all_allowed_rows_are_those_that_are_allowed_one_by_one(wanted, followed):
    restriction = Restrictor(CREATORS).restrict(wanted, user(followed))
    rows = restriction.allowed_rows()
    listed = list(range(COUNT)) if rows is None else rows.tolist()
    assert listed == [row for row in range(COUNT) if reason_of(row, wanted, followed) is None]
    mask = restriction.allowed_mask()
    assert (mask is None) == (rows is None)
    assert mask is None or np.array_equal(np.flatnonzero(mask), rows)


@settings(deadline=None)
@given(filters, followed_rows, st.permutations(range(COUNT)))
def test_filtering_twice_changes_nothing(wanted, followed, rows):
    restriction = Restrictor(CREATORS).restrict(wanted, user(followed))
    once, _ = restriction.split(candidates(rows))
    again, removed = restriction.split(once)
    assert np.array_equal(once.rows, again.rows)
    assert np.array_equal(once.similarities, again.similarities)
    assert len(removed) == 0


@settings(deadline=None)
@given(filters, filters, followed_rows, st.permutations(range(COUNT)))
def test_filters_commute(one, other, followed, rows):
    first, second = (Restrictor(CREATORS).restrict(wanted, user(followed)) for wanted in (one, other))
    assert np.array_equal(second.split(first.split(candidates(rows))[0])[0].rows, first.split(second.split(candidates(rows))[0])[0].rows)


@settings(deadline=None)
@given(filters, followed_rows, st.integers(0, COUNT))
def test_the_planner_is_told_enough_to_find_all_that_exist(wanted, followed, count):
    restriction = Restrictor(CREATORS).restrict(wanted, user(followed))
    assert 0 <= restriction.allowed_count() <= COUNT
    assert restriction.reach(count) >= count
    if not wanted.market and not wanted.tiers:
        assert restriction.allowed_count() == sum(reason_of(row, wanted, followed) is None for row in range(COUNT))
        assert restriction.reach(count) == count + COUNT - restriction.allowed_count()


def test_the_planner_knows_how_rare_a_market_and_a_tier_are():
    restrict = Restrictor(CREATORS).restrict
    in_market = sum(m is None or "JP" in m for m in MARKETS)
    assert restrict(CandidateFilter(market="JP"), user()).allowed_count() == in_market
    assert restrict(CandidateFilter(tiers=("star",)), user()).allowed_count() == TIERS.count(2)
    assert restrict(CandidateFilter(market="JP"), user()).reach(10) > 10 * COUNT / in_market


def test_no_restriction_hands_the_candidates_on_as_they_are():
    restriction = Restrictor(CREATORS).restrict(CandidateFilter(), user())
    found = candidates(range(10))
    kept, removed = restriction.split(found)
    assert kept is found
    assert len(removed) == 0
    assert restriction.allowed_rows() is None
    assert restriction.allowed_count() == COUNT
    assert restriction.reach(7) == 7


def test_an_unknown_market_shows_only_what_is_available_everywhere():
    rows = Restrictor(CREATORS).restrict(CandidateFilter(market="ATLANTIS"), user()).allowed_rows()
    assert rows.tolist() == [row for row in range(COUNT) if MARKETS[row] is None]


def test_without_market_and_tier_columns_everything_is_everywhere_and_has_no_tier():
    restrict = Restrictor(BARE).restrict
    assert restrict(CandidateFilter(market="SE"), user()).allowed_rows() is None
    assert restrict(CandidateFilter(tiers=("",)), user()).allowed_rows() is None
    assert restrict(CandidateFilter(tiers=("emerging",)), user()).allowed_rows().tolist() == []
    assert not restrict(CandidateFilter(tiers=("emerging",)), user()).allows(np.arange(COUNT)).any()


@pytest.mark.parametrize("wanted", [CandidateFilter(market="SE"), CandidateFilter(excluded_ids=tuple(IDS[:3]))])
def test_no_candidates_are_no_problem(wanted):
    kept, removed = Restrictor(CREATORS).restrict(wanted, user([1])).split(Candidates.empty())
    assert (len(kept), len(removed)) == (0, 0)


def test_memory_mapped_columns_restrict_alike(tmp_path):
    for name, values in (("tiers", CREATORS.tiers), ("bitmaps", CREATORS.markets.bitmaps)):
        np.save(tmp_path / f"{name}.npy", values)
    mapped = replace(
        CREATORS,
        tiers=np.load(tmp_path / "tiers.npy", mmap_mode="r"),
        markets=replace(CREATORS.markets, bitmaps=np.load(tmp_path / "bitmaps.npy", mmap_mode="r")),
    )
    wanted = CandidateFilter(market="SE", tiers=("star",))
    assert np.array_equal(Restrictor(mapped).restrict(wanted, user()).allowed_rows(), Restrictor(CREATORS).restrict(wanted, user()).allowed_rows())
