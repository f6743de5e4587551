"""What every CandidateSource promises, held against plain NumPy: the index, the exact scan, the merge of both, the overlay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from domain.deadline import Deadline
from domain.errors import DeadlinePassed
from retrieval.exact_source import ExactSource
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.hnsw_source import HnswSource
from retrieval.merge import merge
from retrieval.overlay import OverlaySource
from tests.unit.retrieval.world import NEVER, Counting, assert_ordered, best, clustered, creators_of, similarities


@dataclass(frozen=True)
class MergedSource:
    """Two sources asked for the same and merged."""

    parts: tuple
    id_ranks: np.ndarray

    def retrieve(self, query, count, deadline):
        return merge([part.retrieve(query, count, deadline) for part in self.parts], self.id_ranks).take(slice(0, max(0, count)))


def exact(creators, space, directory):
    return ExactSource(creators.embeddings, creators.norms, creators.id_ranks, space)


def hnsw(creators, space, directory):
    options = IndexOptions(space, candidate_count=50, recall=0.9, query_count=100)
    description = build_index(creators.embeddings, creators.norms, None, directory, options, Counting())
    return HnswSource.load(directory, description, creators.embeddings, creators.norms, creators.id_ranks)


def merged(creators, space, directory):
    return MergedSource((hnsw(creators, space, directory), exact(creators, space, directory)), creators.id_ranks)


def overlay(creators, space, directory):
    return OverlaySource(creators, np.arange(len(creators)), space)


SOURCES = pytest.mark.parametrize("make", [hnsw, exact, merged, overlay], ids=lambda f: f.__name__)
SPACES = pytest.mark.parametrize("space", ["cosine", "ip"])


@SOURCES
@SPACES
@pytest.mark.parametrize("dims", [1, 5, 33, 64])
def test_it_finds_nearly_what_numpy_finds(make, space, dims, tmp_path):
    creators = creators_of(clustered(1, 1500, dims))
    source = make(creators, space, tmp_path)
    recalls = []
    for query in clustered(2, 20, dims):
        found = source.retrieve(query, 50, NEVER)
        truth = similarities(creators, query, space)
        assert len(found) == 50
        assert_ordered(creators, found)
        scale = 1.0 if space == "cosine" else float(np.abs(truth).max())
        np.testing.assert_allclose(found.similarities, truth[found.rows], atol=1e-6 * scale)
        floor = truth[best(creators, query, space, 50)[-1]]
        recalls.append(np.mean(truth[found.rows] >= floor - 1e-6 * scale))
    assert np.mean(recalls) >= (0.9 if make is hnsw else 1.0)


@SOURCES
@SPACES
def test_asking_for_fewer_gives_the_first_of_those_that_asking_for_more_gives(make, space, tmp_path):
    """Also where the cut falls between creators with one embedding: the first by id stay."""
    creators = creators_of(np.repeat(clustered(1, 500, 16), 3, axis=0))
    source = make(creators, space, tmp_path)
    for query in clustered(2, 10, 16):
        more = source.retrieve(query, 50, NEVER)
        for count in (1, 2, 3, 7, 20, 31, 49):
            fewer = source.retrieve(query, count, NEVER)
            assert np.array_equal(fewer.rows, more.rows[:count])
            assert np.array_equal(fewer.similarities, more.similarities[:count])


@SOURCES
@SPACES
def test_asking_for_more_than_there_are_gives_all_of_them(make, space, tmp_path):
    creators = creators_of(clustered(1, 40, 8))
    source = make(creators, space, tmp_path)
    for count in (40, 41, 5000):
        found = source.retrieve(clustered(2, 1, 8)[0], count, NEVER)
        assert sorted(found.rows.tolist()) == list(range(40))


@SOURCES
@SPACES
def test_one_creator_is_a_catalogue(make, space, tmp_path):
    creators = creators_of(np.array([[3.0, 4.0]]))
    found = make(creators, space, tmp_path).retrieve(np.array([3.0, 4.0], np.float32), 10, NEVER)
    assert found.rows.tolist() == [0]
    assert found.similarities[0] == pytest.approx(1.0 if space == "cosine" else 25.0, rel=1e-6)


@SOURCES
def test_asking_for_none_gives_none(make, tmp_path):
    source = make(creators_of(clustered(1, 30, 4)), "cosine", tmp_path)
    assert len(source.retrieve(clustered(2, 1, 4)[0], 0, NEVER)) == 0


@SOURCES
@SPACES
def test_equal_vectors_come_in_the_order_of_their_ids(make, space, tmp_path):
    embeddings = clustered(1, 300, 12)
    twins = np.arange(40, 60)
    embeddings[twins] = embeddings[40]
    creators = creators_of(embeddings)
    source = make(creators, space, tmp_path)
    wanted = twins[np.argsort(creators.id_ranks[twins])]
    for count in (5, 20, 60):
        found = source.retrieve(embeddings[40], count, NEVER)
        places = np.flatnonzero(np.isin(found.rows, twins))
        assert np.array_equal(found.rows[places], wanted[: len(places)]), count
        assert len(places) == min(20, count) or space == "ip"


@SOURCES
@SPACES
def test_the_length_of_the_query_does_not_change_who_is_found(make, space, tmp_path):
    creators = creators_of(clustered(1, 500, 16))
    source = make(creators, space, tmp_path)
    query = clustered(2, 1, 16)[0]
    once, longer = source.retrieve(query, 30, NEVER), source.retrieve(query * np.float32(8.0), 30, NEVER)
    assert np.array_equal(once.rows, longer.rows)
    np.testing.assert_allclose(longer.similarities, once.similarities * (1.0 if space == "cosine" else 8.0), rtol=1e-5, atol=1e-6)


@SOURCES
@pytest.mark.parametrize(
    "shape",
    [lambda q: q.astype(np.float64), lambda q: np.repeat(q, 2)[::2], lambda q: np.frombuffer(q.tobytes(), np.float32)],
    ids=["float64", "strided", "read-only"],
)
def test_any_array_of_numbers_is_a_query(make, shape, tmp_path):
    creators = creators_of(clustered(1, 200, 8))
    source = make(creators, "cosine", tmp_path)
    query = clustered(2, 1, 8)[0]
    assert np.array_equal(source.retrieve(shape(query), 10, NEVER).rows, source.retrieve(query, 10, NEVER).rows)


@SOURCES
@pytest.mark.parametrize("length", [1, 7, 9, 16])
def test_a_query_of_another_length_is_refused_rather_than_read_past_its_end(make, length, tmp_path):
    source = make(creators_of(clustered(1, 200, 8)), "cosine", tmp_path)
    with pytest.raises(ValueError, match="8 dimensions"):
        source.retrieve(np.ones(length, np.float32), 10, NEVER)


@SOURCES
def test_a_passed_deadline_ends_the_work(make, tmp_path):
    source = make(creators_of(clustered(1, 200, 8)), "cosine", tmp_path)
    with pytest.raises(DeadlinePassed):
        source.retrieve(np.ones(8, np.float32), 10, Deadline(1.0, lambda: 2.0))


@SOURCES
def test_the_same_query_gives_the_same_bytes(make, tmp_path):
    source = make(creators_of(clustered(1, 800, 24)), "cosine", tmp_path)
    query = clustered(2, 1, 24)[0]
    once, again = source.retrieve(query, 40, NEVER), source.retrieve(query, 40, NEVER)
    assert once.rows.tobytes() == again.rows.tobytes()
    assert once.similarities.tobytes() == again.similarities.tobytes()


@SOURCES
def test_many_threads_get_the_answers_that_one_gets(make, tmp_path):
    creators = creators_of(clustered(1, 2000, 16))
    source, queries = make(creators, "cosine", tmp_path), clustered(2, 60, 16)
    alone = [source.retrieve(query, 30, NEVER).rows for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = [found.rows for found in pool.map(lambda query: source.retrieve(query, 30, NEVER), queries)]
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
