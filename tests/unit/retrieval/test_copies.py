"""Many equal embeddings: found, kept out of the graph, and brought back with their representative."""

from __future__ import annotations

import hnswlib
import numpy as np
import pytest

from domain.errors import ArtifactError, ArtifactReason
from retrieval.copies import Copies, find_copies, no_copies, read_copies, write_copies
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.open import check_index, open_retriever
from tests.unit.retrieval.world import NEVER, Counting, assert_ordered, best, clustered, creators_of, similarities, user


def with_copies(groups, count=1200, dims=12):
    """Embeddings in which each of `groups` rows is spread over as many random rows as it says, and the groups' rows."""
    random, embeddings, members = np.random.default_rng(9), clustered(1, count, dims), []
    free = random.permutation(count)
    for size in groups:
        rows, free = np.sort(free[:size]), free[size:]
        embeddings[rows] = embeddings[rows[0]]
        members.append(rows)
    return embeddings, members


def test_groups_above_the_tolerated_size_are_found_with_their_first_row_as_representative():
    embeddings, (large, small, larger) = with_copies([40, 10, 200])
    copies = find_copies(embeddings, 10)
    wanted = sorted([(large[0], row) for row in large[1:]] + [(larger[0], row) for row in larger[1:]])
    assert list(zip(copies.representatives.tolist(), copies.rows.tolist(), strict=True)) == wanted
    assert small[0] not in copies.representatives
    assert len(find_copies(embeddings, 200)) == 0


@pytest.mark.parametrize("embeddings", [np.ones((1, 3), np.float32), np.ones((50, 1), np.float32), clustered(1, 50, 5)])
def test_odd_catalogues_have_the_copies_that_they_have(embeddings):
    assert len(find_copies(embeddings, 4)) == (49 if embeddings.shape == (50, 1) else 0)


def test_expanding_brings_the_first_copies_by_id_and_leaves_others_alone():
    ranks = np.array([0, 1, 2, 3, 9, 8, 7, 6, 5, 4])
    copies = Copies(np.array([1, 1, 1, 3]), np.array([4, 5, 6, 7])).ordered(ranks)
    rows, nearness = copies.expand(np.array([2, 3, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6], np.float32), 2)
    assert rows.tolist() == [2, 3, 1, 0, 7, 6, 5]
    assert nearness.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.8, 0.7, 0.7])
    rows, _ = copies.expand(np.array([2, 0]), np.array([0.9, 0.8], np.float32), 2)
    assert rows.tolist() == [2, 0]


def test_a_default_embedding_shared_by_a_third_of_the_catalogue_costs_no_recall(tmp_path):
    embeddings, (shared,) = with_copies([4000], 12_000, 16)
    creators, users = creators_of(embeddings), clustered(2, 300, 16)
    users[:100] = embeddings[shared[0]] + 0.1 * np.random.default_rng(4).normal(size=(100, 16))
    options = IndexOptions("cosine", candidate_count=100, recall=0.95, threads=2, query_count=300)
    description = build_index(creators.embeddings, creators.norms, users, tmp_path, options, Counting())
    assert description.copy_count == 3999
    index = hnswlib.Index("ip", description.padded_dimension_count)
    index.load_index(str(tmp_path / "hnsw.bin"))
    assert index.element_count == 8001
    retriever = open_retriever(tmp_path, description.to_json(), creators)
    recalls = []
    for query in users[::3]:
        found = retriever._index.retrieve(query, 100, NEVER)
        assert_ordered(creators, found)
        truth = similarities(creators, query, "cosine")
        recalls.append(np.mean(truth[found.rows] >= truth[best(creators, query, "cosine", 100)[-1]] - 1e-6))
    assert np.mean(recalls) >= 0.95


def test_every_creator_equal_to_every_other_is_served_in_the_order_of_ids(tmp_path):
    creators = creators_of(np.tile(np.array([[0.5, -2.0, 1.0]]), (300, 1)))
    description = build_index(creators.embeddings, creators.norms, None, tmp_path, IndexOptions("ip", candidate_count=20), Counting())
    assert description.copy_count == 299
    retriever = open_retriever(tmp_path, description.to_json(), creators)
    found = retriever._index.retrieve(np.array([1.0, 1.0, 1.0]), 250, NEVER)
    assert np.array_equal(found.rows, creators.id_order[:250])
    answer = retriever.retrieve(np.ones(3), 250, retriever.restrict(_none(), user()), False, NEVER)
    assert np.array_equal(answer.found.rows, creators.id_order[:250])


def _none():
    from domain.request import CandidateFilter

    return CandidateFilter()


def built_with_copies(directory):
    embeddings, _ = with_copies([100])
    creators = creators_of(embeddings)
    description = build_index(creators.embeddings, creators.norms, None, directory, IndexOptions("cosine", candidate_count=20), Counting())
    assert description.copy_count == 99
    return creators, description.to_json()


@pytest.mark.parametrize("damage", ["absent", "empty", "shape", "dtype", "range", "order", "twice"])
def test_a_broken_list_of_copies_is_refused(damage, tmp_path):
    creators, description = built_with_copies(tmp_path)
    path = tmp_path / "copies.npy"
    pairs = np.load(path)
    if damage in {"absent", "empty"}:
        path.unlink()
        if damage == "empty":
            path.write_bytes(b"")
    else:
        changed = {"shape": pairs[:, 1:], "dtype": pairs.astype(np.int32)}.get(damage, pairs)
        if damage == "range":
            changed[1, 5] = 10**6
        if damage == "order":
            changed[0, 0] = changed[0].max() + 1
        if damage == "twice":
            changed[1, 5] = changed[1, 6]
        np.save(path, changed)
    with pytest.raises(ArtifactError) as caught:
        check_index(tmp_path, description, creators)
    assert caught.value.reason == ArtifactReason.INDEX_CORRUPT


def test_copies_of_another_embedding_or_rows_that_are_also_in_the_index_are_refused(tmp_path):
    creators, description = built_with_copies(tmp_path)
    pairs = np.load(tmp_path / "copies.npy")
    other = np.setdiff1d(np.arange(len(creators)), pairs)[:1]
    for place, value in ((1, other[0]), (0, other[0])):
        changed = pairs.copy()
        changed[place] = value if place == 0 else np.concatenate((pairs[1, :-1], [value]))
        np.save(tmp_path / "copies.npy", changed)
        with pytest.raises(ArtifactError) as caught:
            check_index(tmp_path, description, creators)
        assert caught.value.reason == ArtifactReason.INDEX_MISMATCH


def test_no_copies_write_no_file_and_read_as_none(tmp_path):
    assert len(read_copies(tmp_path, 0, 10)) == len(no_copies()) == 0
    write_copies(Copies(np.array([1]), np.array([2])), tmp_path)
    assert read_copies(tmp_path, 1, 10).rows.tolist() == [2]
