"""The planner between index and scan: enough allowed candidates always, by the cheaper way."""

from __future__ import annotations

import numpy as np
import pytest

from domain.candidates import Source
from domain.request import CandidateFilter
from retrieval.cost import Costs
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.open import open_retriever
from tests.unit.retrieval.world import NEVER, Counting, assert_ordered, best, clustered, creators_of, similarities, user

COUNT = 3000
RARE, HALF, MOST = "VA", "GB", "SE"


@pytest.fixture(scope="module")
def creators():
    random = np.random.default_rng(4)
    embeddings = clustered(1, COUNT, 16)
    draws = random.random(COUNT)
    markets = [[MOST, *([HALF] if draw < 0.5 else []), *([RARE] if draw < 0.01 else [])] if draw < 0.9 else [] for draw in draws]
    return creators_of(embeddings, markets=markets, tiers=random.integers(0, 3, COUNT).tolist(), tier_names=("", "emerging", "star"))


@pytest.fixture(scope="module")
def directory(creators, tmp_path_factory):
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def description(creators, directory):
    options = IndexOptions("cosine", candidate_count=30, query_count=200)
    return build_index(creators.embeddings, creators.norms, clustered(2, 200, 16), directory, options, Counting()).to_json()


@pytest.fixture
def retriever(creators, directory, description):
    """As in a catalogue so large that the index pays for all but narrow filters."""
    return open_retriever(directory, description, creators).planned_by(Costs(3.0, 4.0, 3.0))


def retrieve(retriever, wanted, count=30, followed=(), exact=False, query=None):
    restriction = retriever.restrict(wanted, user(followed))
    query = clustered(3, 1, 16)[0] if query is None else query
    answer = retriever.retrieve(query, count, restriction, exact, NEVER)
    kept, removed = restriction.split(answer.found)
    return answer, kept, removed, query


def test_without_restriction_the_index_answers_with_just_as_many_as_asked(retriever, creators):
    answer, kept, _, _ = retrieve(retriever, CandidateFilter())
    assert (answer.method, len(kept)) == ("index", 30)
    assert set(kept.sources.tolist()) == {Source.INDEX}
    assert_ordered(creators, kept)


FILTERS = [
    CandidateFilter(),
    CandidateFilter(market=MOST),
    CandidateFilter(market=HALF),
    CandidateFilter(market=RARE),
    CandidateFilter(market="ATLANTIS"),
    CandidateFilter(tiers=("star",)),
    CandidateFilter(market=HALF, tiers=("star", "emerging")),
    CandidateFilter(tiers=("unheard of",)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("count", [0, 1, 30, 400])
def test_as_many_allowed_as_asked_are_found_or_all_that_exist(wanted, exact, count, retriever, creators):
    answer, kept, removed, query = retrieve(retriever, wanted, count, exact=exact)
    allowed = retriever.restrict(wanted, user()).allowed_rows()
    allowed = np.arange(COUNT) if allowed is None else allowed
    assert len(kept) == min(count, len(allowed))
    assert len(kept) + len(removed) == len(answer.found)
    truth, ranked = similarities(creators, query, "cosine"), best(creators, query, "cosine", COUNT)
    wanted_rows = ranked[np.isin(ranked, allowed)][:count]
    hits = np.isin(kept.rows, wanted_rows).mean() if count and len(allowed) else 1.0
    assert hits >= (0.9 if answer.method == "index" else 1.0)
    assert not exact or answer.method == "exact"
    if answer.method == "exact":
        assert len(removed) == 0
        np.testing.assert_allclose(kept.similarities, truth[wanted_rows], atol=1e-6)


def test_a_wide_filter_asks_the_index_for_more_and_a_narrow_one_scans(retriever):
    methods = {market: retrieve(retriever, CandidateFilter(market=market))[0].method for market in (MOST, HALF, RARE)}
    assert methods == {MOST: "index", HALF: "index", RARE: "exact"}


def test_the_index_answer_ends_with_the_last_allowed_candidate(retriever):
    answer, kept, removed, _ = retrieve(retriever, CandidateFilter(market=HALF))
    assert answer.method == "index"
    assert len(removed) > 0
    assert answer.found.rows[-1] == kept.rows[-1]


def test_the_nearest_being_seen_followed_and_excluded_leaves_the_next_ones(retriever, creators):
    query = clustered(3, 1, 16)[0]
    ranked = best(creators, query, "cosine", COUNT)
    near = creators.ids_of(ranked[:40])
    wanted = CandidateFilter(excluded_ids=tuple(near[:10]), seen_ids=tuple(near[10:30]))
    answer, kept, removed, _ = retrieve(retriever, wanted, 20, followed=ranked[30:40])
    assert answer.method == "index"
    assert removed.counts() == pytest.approx({"excluded": 10, "seen": 20, "followed": 10}, abs=2)  # the index may miss one
    assert np.isin(kept.rows, ranked[40:60]).mean() >= 0.9
    included, *_ = retrieve(retriever, CandidateFilter(include_followed=True), 20, followed=ranked[:10])
    assert included.found.rows[0] == ranked[0]


def test_a_market_that_lies_far_from_the_user_is_scanned_at_once(creators, directory, description):
    """Half of the catalogue is allowed, but none of it near the user: what the share promises does not hold, and the sample says so."""
    query = clustered(3, 1, 16)[0]
    far = best(creators, query, "cosine", COUNT)[COUNT // 2 :]
    markets = [["FAR"] if row in set(far.tolist()) else [] for row in range(COUNT)]
    retriever = open_retriever(directory, description, creators_of(creators.embeddings, markets=markets)).planned_by(Costs(3.0))
    asked = counted(retriever)
    answer, kept, _, _ = retrieve(retriever, CandidateFilter(market="FAR"), query=query)
    assert asked == []
    assert answer.method == "exact"
    assert np.array_equal(kept.rows, far[:30])


def counted(retriever):
    """The counts that its index is asked for from now on."""
    asked, real = [], retriever._index.retrieve

    class Counted:
        def __getattr__(self, name):
            return getattr(real.__self__, name)

        def retrieve(self, query, count, deadline):
            asked.append(count)
            return real(query, count, deadline)

    retriever._index = Counted()
    return asked


def test_a_market_that_begins_behind_the_nearest_is_found_by_looking_further(creators, directory, description):
    query = clustered(3, 1, 16)[0]
    ranked = best(creators, query, "cosine", COUNT)
    near = set(ranked[:60].tolist())
    markets = [[] if row in near else ["M"] for row in range(COUNT)]
    retriever = open_retriever(directory, description, creators_of(creators.embeddings, markets=markets)).planned_by(Costs(1.0))
    assert retriever.restrict(CandidateFilter(market="M"), user()).reach(30) < 60
    answer, kept, _, _ = retrieve(retriever, CandidateFilter(market="M"), query=query)
    assert answer.method == "index"
    assert np.isin(kept.rows, ranked[60:90]).mean() >= 0.9


def test_a_small_catalogue_is_scanned_with_full_recall(creators, directory, description):
    answer, kept, _, query = retrieve(open_retriever(directory, description, creators), CandidateFilter(), 60)
    assert answer.method == "exact"
    assert np.array_equal(kept.rows, best(creators, query, "cosine", 60))


def test_a_graph_that_falls_short_is_answered_for_by_the_scan(retriever, creators, monkeypatch):
    class Short:
        """An index in which fewer are reachable than asked."""

        def knn_query(self, *args, **kwargs):
            raise RuntimeError("Cannot return the results in a contiguous 2D array. Probably ef or M is too small")

    monkeypatch.setattr(retriever._index, "_index", Short())
    _, kept, _, query = retrieve(retriever, CandidateFilter())
    assert np.array_equal(kept.rows, best(creators, query, "cosine", 30))
    assert set(kept.sources.tolist()) == {Source.EXACT}
