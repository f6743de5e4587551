"""The exact scan: right at block borders, at ties, over some rows, and in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.candidates import Source
from domain.deadline import Deadline
from domain.errors import DeadlinePassed
from retrieval import exact_source
from retrieval.exact_source import ExactSource
from tests.unit.retrieval.world import NEVER, assert_ordered, best, clustered, creators_of, similarities


def source_of(creators, space="cosine"):
    return ExactSource(creators.embeddings, creators.norms, creators.id_ranks, space)


@pytest.fixture
def _small_blocks(monkeypatch):
    monkeypatch.setattr(exact_source, "BLOCK_VALUES", 8 * 64)  # 64 rows of 8 dimensions
    monkeypatch.setattr(exact_source, "GATHERED_VALUES", 8 * 16)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("space", ["cosine", "ip"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 300, 999, 1000, 1001])
def test_any_count_over_several_blocks_is_the_exact_answer(space, count):
    creators = creators_of(clustered(1, 1000, 8))
    for query in clustered(2, 3, 8):
        found = source_of(creators, space).retrieve(query, count, NEVER)
        assert np.array_equal(found.rows, best(creators, query, space, count))
        np.testing.assert_allclose(found.similarities, similarities(creators, query, space)[found.rows], rtol=1e-5, atol=1e-6)
        assert set(found.sources.tolist()) == {Source.EXACT}


@pytest.mark.usefixtures("_small_blocks")
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.01, 0.1, 0.24, 0.26, 0.6, 1.0]),
    count=st.integers(0, 60),
    space=st.sampled_from(["cosine", "ip"]),
)
def test_a_scan_of_some_rows_is_the_exact_answer_among_them(seed, share, count, space):
    random = np.random.default_rng(seed)
    # Few distinct vectors: ties everywhere, within and across blocks.
    creators = creators_of(random.integers(-1, 2, size=(500, 8)) + np.float32(0.5))
    rows = np.flatnonzero(random.random(500) < share)
    query = (random.integers(-1, 2, size=8) + 0.25).astype(np.float32)
    found = source_of(creators, space).scan(query, count, rows, NEVER)
    ranked = best(creators, query, space, 500)
    truth, wanted = similarities(creators, query, space), ranked[np.isin(ranked, rows)][:count]
    assert len(found) == len(wanted)
    assert np.isin(found.rows, rows).all()
    assert_ordered(creators, found)
    np.testing.assert_allclose(truth[found.rows], truth[wanted], atol=1e-6)
    looked_at_all = source_of(creators, space).scan_all(query, count, np.isin(np.arange(500), rows), NEVER)
    assert np.array_equal(looked_at_all.rows, found.rows)
    assert np.array_equal(looked_at_all.similarities, found.similarities)
    if len(found):
        floor = float(found.similarities[len(found) // 2])
        near = source_of(creators, space).retrieve_from(query, floor, NEVER)
        assert len(near) == np.count_nonzero(source_of(creators, space).similarities_of(query, np.arange(500)) >= np.float32(floor))


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("space", ["cosine", "ip"])
@pytest.mark.parametrize("count", [1, 10, 142, 143, 150])
def test_equal_vectors_in_different_blocks_are_cut_by_id(space, count):
    embeddings = clustered(1, 1000, 8)
    twins = np.arange(3, 1000, 7)  # 143 of them
    embeddings[twins] = clustered(2, 1, 8)[0] * (1.0 if space == "cosine" else 50.0)
    creators = creators_of(embeddings)
    found = source_of(creators, space).retrieve(embeddings[3], count, NEVER)
    assert np.array_equal(found.rows[:143], twins[np.argsort(creators.id_ranks[twins])][:count])


@pytest.mark.usefixtures("_small_blocks")
def test_a_row_has_the_same_similarity_bits_in_every_scan():
    creators = creators_of(clustered(1, 700, 8))
    source, query = source_of(creators), clustered(2, 1, 8)[0]
    everything = source.retrieve(query, 700, NEVER)
    known = dict(zip(everything.rows.tolist(), everything.similarities.tolist(), strict=True))
    for rows in (np.arange(0, 700, 3), np.array([5, 600]), np.arange(650, 700)):
        found = source.scan(query, 700, rows, NEVER)
        assert {row: known[row] for row in found.rows.tolist()} == dict(zip(found.rows.tolist(), found.similarities.tolist(), strict=True))
    assert np.array_equal(source.similarities_of(query, everything.rows), everything.similarities)


@pytest.mark.usefixtures("_small_blocks")
def test_a_deadline_that_passes_during_the_scan_ends_it():
    ticks = iter(range(1000))
    with pytest.raises(DeadlinePassed, match="scan the creators"):
        source_of(creators_of(clustered(1, 1000, 8))).retrieve(np.ones(8, np.float32), 5, Deadline(4.0, lambda: next(ticks)))
    assert next(ticks) < 10


def test_no_rows_no_candidates():
    source = source_of(creators_of(clustered(1, 30, 8)))
    assert len(source.scan(np.ones(8, np.float32), 5, np.empty(0, np.int64), NEVER)) == 0
    assert len(source.retrieve(np.ones(8, np.float32), 0, NEVER)) == 0


def test_a_memory_map_is_scanned_as_it_lies(tmp_path):
    creators = creators_of(clustered(1, 300, 8))
    np.save(tmp_path / "e.npy", creators.embeddings)
    mapped = np.load(tmp_path / "e.npy", mmap_mode="r")
    source, query = ExactSource(mapped, creators.norms, creators.id_ranks, "cosine"), clustered(2, 1, 8)[0]
    assert np.array_equal(source.retrieve(query, 9, NEVER).rows, source_of(creators).retrieve(query, 9, NEVER).rows)


def test_equal_vectors_are_cut_by_id_although_blas_rounds_them_differently_at_the_end_of_a_block():
    embeddings = np.tile(np.random.default_rng(1).normal(size=100).astype(np.float32), (1003, 1))
    creators, query = creators_of(embeddings), np.random.default_rng(2).normal(size=100).astype(np.float32)
    # On x86 with AVX-512 the products differ; a BLAS that rounds them all alike makes this test an easy one.
    for space in ("cosine", "ip"):
        for count in (1, 2, 7):
            assert np.array_equal(source_of(creators, space).retrieve(query, count, NEVER).rows, creators.id_order[:count])
