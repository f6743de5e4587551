"""The layout of the index: the same graph and the same answers, with neighbours closer to each other in memory."""

import hnswlib
import numpy as np
import pytest

from retrieval.hnsw_format import HEADER, element_of
from retrieval.hnsw_layout import near_order, rewrite, vectors_of
from tests.unit.retrieval.world import clustered

DIMENSION_COUNT = 16


def as_added(path, vectors, m=8, seed=1):
    """What hnswlib saves: elements in the order in which they were added."""
    index = hnswlib.Index(space="ip", dim=DIMENSION_COUNT)
    index.init_index(max_elements=len(vectors), M=m, ef_construction=60, random_seed=seed)
    index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
    index.save_index(str(path))
    return path


def answers(path, queries, count, effort=40):
    index = hnswlib.Index(space="ip", dim=DIMENSION_COUNT)
    index.load_index(str(path), max_elements=len(vectors_of(path)[0]))
    index.set_ef(effort)
    labels, distances = index.knn_query(queries, k=count, num_threads=1)
    return labels, distances


def steps(path):
    """The median distance in memory, in elements, between graph neighbours."""
    header = np.fromfile(path, HEADER, 1)[0]
    elements = np.fromfile(path, element_of(int(header["m"]), DIMENSION_COUNT), int(header["count"]), offset=HEADER.itemsize)
    listed = np.arange(elements["neighbours"].shape[1]) < elements["count"][:, None]
    return np.median(np.abs(elements["neighbours"].astype(np.int64) - np.arange(len(elements))[:, None])[listed])


@pytest.mark.parametrize("count", [1, 2, 3, 40, 3_000])
@pytest.mark.parametrize("m", [2, 8])
def test_the_same_search_finds_the_same_whatever_the_order(tmp_path, count, m):
    vectors = clustered(1, count, DIMENSION_COUNT)
    path, moved = as_added(tmp_path / "a.bin", vectors, m), tmp_path / "b.bin"
    queries = np.random.default_rng(2).normal(size=(50, DIMENSION_COUNT)).astype(np.float32)
    for order in (near_order(vectors), np.random.default_rng(3).permutation(count), np.arange(count)[::-1]):
        rewrite(path, moved, order)
        for expected, found in zip(answers(path, queries, 1, effort=20), answers(moved, queries, 1, effort=20), strict=True):
            np.testing.assert_array_equal(found, expected)
    if m == 8 and count >= 40:
        for expected, found in zip(answers(path, queries, 30), answers(moved, queries, 30), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_what_was_moved_can_be_moved_back_to_the_byte(tmp_path):
    vectors = clustered(1, 2_000, DIMENSION_COUNT)
    path = as_added(tmp_path / "a.bin", vectors)
    rewrite(path, tmp_path / "plain.bin", np.arange(2_000))  # forgets what stands behind the ends of lists
    rewrite(path, tmp_path / "moved.bin", near_order(vectors))
    rewrite(tmp_path / "moved.bin", tmp_path / "back.bin", np.argsort(vectors_of(tmp_path / "moved.bin")[1]))
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "plain.bin").read_bytes()


def test_neighbours_lie_close(tmp_path):
    vectors = clustered(1, 5_000, DIMENSION_COUNT)
    path, moved = as_added(tmp_path / "a.bin", vectors), tmp_path / "b.bin"
    rewrite(path, moved, near_order(vectors_of(path)[0]))
    assert steps(moved) < steps(path) / 3


@pytest.mark.parametrize("vectors", [np.ones((1_000, 4), np.float32), np.zeros((1_000, 4), np.float32), np.eye(400, dtype=np.float32)])
def test_an_order_has_everybody_once_even_of_vectors_that_are_equal_or_zero(vectors):
    assert sorted(near_order(vectors).tolist()) == list(range(len(vectors)))
