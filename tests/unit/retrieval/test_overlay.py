"""The overlay: no emerging creator among the nearest is ever lost, in whatever order, under whatever filter, and nothing else changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candidates import Source
from domain.request import CandidateFilter
from retrieval.cost import Costs
from retrieval.exact_source import ExactSource
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.open import open_retriever
from retrieval.overlay import OverlaySource, emerging_overlay
from tests.unit.retrieval.world import NEVER, Counting, assert_ordered, clustered, creators_of, similarities, user

COUNT, EMERGING_CODE = 2500, 1
TIER_NAMES = ("", "emerging", "star")
INDEX_ALWAYS = Costs(1e-6, 2.0, 1e-6)
CLOSE = 1e-6
"""Similarities nearer to each other than this have no order that float32 and float64 agree on."""


def half_of(rows):
    return [["SE", "GB"] if row % 2 else ["GB"] for row in range(rows)]


@dataclass(frozen=True)
class Opened:
    """A catalogue with an index that is bad on purpose. plain: without the overlay."""

    creators: object
    retriever: object
    plain: object
    space: str


@pytest.fixture(scope="module", params=["cosine", "ip"])
def opened(request, tmp_path_factory):
    directory, random = tmp_path_factory.mktemp("weak"), np.random.default_rng(5)
    tiers = random.choice(3, COUNT, p=[0.6, 0.1, 0.3]).tolist()
    embeddings = clustered(1, COUNT, 16) * (1.0 if request.param == "cosine" else random.uniform(0.7, 1.4, (COUNT, 1)))
    creators = creators_of(embeddings, markets=half_of(COUNT), tiers=tiers, tier_names=TIER_NAMES)
    options = IndexOptions(request.param, m=6, ef_construction=6, candidate_count=40, recall=0.6, query_count=100)
    described = build_index(creators.embeddings, creators.norms, None, directory, options, Counting()).to_json()
    retriever = open_retriever(directory, described, creators, ("emerging",)).planned_by(INDEX_ALWAYS)
    return Opened(creators, retriever, open_retriever(directory, described, creators).planned_by(INDEX_ALWAYS), request.param)


def candidates(retriever, query, count, wanted=CandidateFilter(), followed=()):
    """(method, the allowed candidates as the engine cuts them, everything that was found)."""
    restriction = retriever.restrict(wanted, user(followed))
    answer = retriever.retrieve(query, count, restriction, False, NEVER)
    return answer.method, restriction.split(answer.found)[0].take(slice(0, count)), answer.found


def lost(opened, kept, query, count, allowed):
    """Emerging creators that plain NumPy finds among the `count` nearest allowed ones, by more than rounding, and that are not among `kept`."""
    truth = np.where(allowed, similarities(opened.creators, query, opened.space), -np.inf)
    floor = np.partition(truth, -count - 1)[-count - 1]  # the first one that is not wanted any more
    scale = 1.0 if opened.space == "cosine" else float(truth.max())
    sure = (opened.creators.tiers == EMERGING_CODE) & (truth > floor + CLOSE * scale)
    return np.setdiff1d(np.flatnonzero(sure), kept.rows)


def test_every_emerging_creator_of_the_nearest_is_a_candidate_in_ten_thousand_of_ten_thousand_requests(opened):
    random, everyone = np.random.default_rng(11), np.ones(COUNT, np.bool_)
    in_sweden = np.arange(COUNT) % 2 == 1
    losses = index_losses = 0
    for number, query in enumerate(clustered(12, 5000, 16)):  # in two spaces: ten thousand
        count = int(random.integers(1, 60))
        wanted, allowed = (CandidateFilter(market="SE"), in_sweden) if number % 3 == 0 else (CandidateFilter(), everyone)
        method, kept, _ = candidates(opened.retriever, query, count, wanted)
        assert (method, len(kept)) == ("index", count) or wanted.market
        losses += len(lost(opened, kept, query, count, allowed)) > 0
        if number < 200:
            index_losses += len(lost(opened, candidates(opened.plain, query, count, wanted)[1], query, count, allowed)) > 0
    assert losses == 0
    assert index_losses > 20, "the index alone loses none: this test proves nothing"


some_rows = st.lists(st.integers(0, COUNT - 1), max_size=40)


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 120),
    where=st.tuples(
        st.sampled_from(["", "SE", "GB", "ATLANTIS"]),
        st.sampled_from([(), ("emerging",), ("star", ""), ("emerging", "star"), ("unheard of",)]),
    ),
    denied=st.tuples(some_rows, st.integers(0, 80)),
    costs=st.sampled_from([INDEX_ALWAYS, Costs(), Costs(0.5, 2.0, 0.5), Costs(2.0, 4.0, 2.0)]),
)
def test_whatever_is_asked_the_answer_is_that_of_numpy_but_for_what_the_index_may_miss(opened, seed, count, where, denied, costs):
    creators, query, (market, tiers), (listed, near_count) = opened.creators, clustered(seed, 1, 16)[0], where, denied
    truth = similarities(creators, query, opened.space)
    followed = np.unique([*listed[:10], *np.argsort(-truth)[:near_count].tolist()]).astype(np.int64)
    wanted = CandidateFilter(market=market, tiers=tiers, excluded_ids=tuple(creators.ids_of(np.array(listed[10:], np.int64))))
    allowed = np.ones(COUNT, np.bool_) if market != "SE" else np.arange(COUNT) % 2 == 1
    allowed &= market != "ATLANTIS"
    if tiers:
        allowed &= np.isin(np.array(TIER_NAMES)[np.array(creators.tiers)], tiers)
    allowed[[*listed, *followed.tolist()]] = False
    method, kept, found = candidates(opened.retriever.planned_by(costs), query, count, wanted, followed)
    assert_ordered(creators, found)
    assert allowed[kept.rows].all()
    assert len(kept) == min(count, allowed.sum())
    scale = 1.0 if opened.space == "cosine" else float(np.abs(truth).max())
    np.testing.assert_allclose(kept.similarities, truth[kept.rows], atol=CLOSE * scale)
    assert not len(lost(opened, kept, query, count, allowed))
    if method == "exact" and len(kept):
        best = np.sort(truth[allowed])[::-1][: len(kept)]
        np.testing.assert_allclose(truth[kept.rows], best, atol=CLOSE * scale)


def test_what_the_overlay_adds_says_so_and_takes_the_places_of_the_last(opened):
    added = 0
    for query in clustered(13, 60, 16):
        _, plain, _ = candidates(opened.plain, query, 40)
        _, kept, found = candidates(opened.retriever, query, 40)
        new = np.setdiff1d(kept.rows, plain.rows)
        assert_ordered(opened.creators, kept)
        assert len(found) == len(kept) == 40
        assert set(kept.sources[np.isin(kept.rows, new)].tolist()) <= {Source.OVERLAY}
        assert set(kept.sources[~np.isin(kept.rows, new)].tolist()) <= {Source.INDEX}
        assert np.array_equal(kept.rows[~np.isin(kept.rows, new)], plain.rows[: 40 - len(new)])
        added += len(new)
    assert added > 0


def test_a_row_has_the_same_similarity_bits_whichever_source_found_it(opened):
    creators = opened.creators
    exact = ExactSource(creators.embeddings, creators.norms, creators.id_ranks, opened.space)
    overlay = emerging_overlay(creators, ("emerging",), opened.space)
    for query in clustered(14, 30, 16):
        everything = exact.retrieve(query, COUNT, NEVER)
        bits = dict(zip(everything.rows.tolist(), everything.similarities.view(np.uint32).tolist(), strict=True))
        _, kept, _ = candidates(opened.retriever, query, 60)
        for found in (kept, overlay.retrieve(query, 100, NEVER), overlay.retrieve_from(query, float(kept.similarities[-1]), NEVER)):
            assert [bits[row] for row in found.rows.tolist()] == found.similarities.view(np.uint32).tolist()


def test_twins_at_the_cut_are_taken_by_id_whether_they_emerge_or_not(tmp_path):
    embeddings = clustered(1, 600, 8)
    twins = np.arange(100, 120)
    embeddings[twins] = embeddings[100]
    tiers = np.zeros(600, np.uint8)
    tiers[twins[::2]] = EMERGING_CODE
    creators = creators_of(embeddings, tiers=tiers, tier_names=TIER_NAMES)
    options = IndexOptions("cosine", candidate_count=30, query_count=50)
    described = build_index(creators.embeddings, creators.norms, None, tmp_path, options, Counting()).to_json()
    retriever = open_retriever(tmp_path, described, creators, ("emerging",)).planned_by(INDEX_ALWAYS)
    for count in (1, 7, 19, 20):
        method, kept, _ = candidates(retriever, embeddings[100], count)
        assert method == "index"
        assert np.array_equal(kept.rows, twins[np.argsort(creators.id_ranks[twins])][:count])


@pytest.mark.parametrize("tiers", [(), ("unheard of",)])
def test_no_emerging_creators_no_overlay(opened, tiers):
    assert emerging_overlay(opened.creators, tiers, "cosine") is None
    assert opened.plain.overlay_count == 0
    assert opened.retriever.overlay_count == np.count_nonzero(np.array(opened.creators.tiers) == EMERGING_CODE)


def test_without_a_tier_column_every_creator_has_the_empty_tier():
    creators = creators_of(clustered(1, 50, 4))
    assert emerging_overlay(creators, ("emerging",), "cosine") is None
    assert len(emerging_overlay(creators, ("",), "cosine")) == 50


def test_another_overlay_in_its_place_is_used_from_the_next_request_on(opened):
    """As live changes will do it: the old one is never written to, so that a request which began with it also ends with it."""
    query = clustered(15, 1, 16)[0]
    changed = opened.retriever.planned_by(INDEX_ALWAYS)
    nearest = int(np.argmax(similarities(opened.creators, query, opened.space)))
    changed.replace_overlay(OverlaySource(opened.creators, np.array([nearest]), opened.space))
    assert changed.overlay_count == 1
    assert candidates(changed, query, 5)[1].rows[0] == nearest
    assert opened.retriever.overlay_count > 1
