"""Where the elements of hnswlib's graph lie in memory.

hnswlib numbers elements as they were added, and what a search visits next lies anywhere. Numbered so that similar vectors have numbers close to each
other, the same search finds more of it in pages and cache lines that it has just touched (Coleman, Segarra, Shrivastava, Smola: Graph Reordering for
Cache-Efficient Near Neighbor Search, NeurIPS 2022). The graph stays the same, and with it what is found.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from domain.arrays import AnyArray, FloatArray, RowArray
from retrieval.hnsw_format import HEADER, Words, element_of, upper_records

BLOCK_ROWS = 1 << 14
LEAF_ROWS = 32
"""Elements that stay as they are: 13 KB at 64 dimensions, which a search reads in one go anyway."""

SAMPLE_ROWS = 2048
POWER_STEPS = 8
"""Towards the direction in which a block is widest. It need not be met: any cut that keeps most neighbours together does."""


def near_order(vectors: FloatArray) -> RowArray:
    """An order of n vectors, float32 [n, D], in which similar ones lie close: int64 [n]. Halves the set at the median of its widest direction, again
    and again."""
    order = np.arange(len(vectors))
    blocks = [(0, len(vectors))]
    while blocks:
        start, stop = blocks.pop()
        if stop - start <= LEAF_ROWS:
            continue
        rows, middle = order[start:stop], (stop - start) // 2
        along = _products(vectors, rows, _widest(vectors[rows[:: -(-len(rows) // SAMPLE_ROWS)]]))
        order[start:stop] = rows[np.argpartition(along, middle)]
        blocks += [(start, start + middle), (start + middle, stop)]
    return order


def _widest(sample: FloatArray) -> FloatArray:
    """The first principal direction, about: a few steps of power iteration, from the corner of the sample that is furthest out."""
    centred = sample - sample.mean(axis=0)
    covariance = centred.T @ centred
    direction = centred[np.argmax(np.einsum("ij,ij->i", centred, centred))]
    for _ in range(POWER_STEPS):
        direction = covariance @ direction
        direction = direction / max(float(np.abs(direction).max()), np.finfo(np.float32).tiny)
    return np.asarray(direction, np.float32)


def _products(vectors: FloatArray, rows: RowArray, direction: FloatArray) -> FloatArray:
    parts = [vectors[rows[start : start + BLOCK_ROWS]] @ direction for start in range(0, len(rows), BLOCK_ROWS)]
    return np.concatenate(parts)


def vectors_of(path: Path) -> tuple[FloatArray, RowArray]:
    """(vectors, labels) of a file's elements, as they lie: float32 [n, D] and int64 [n], mapped."""
    elements = _elements(path, np.fromfile(path, HEADER, 1)[0])
    return elements["vector"], elements["label"].view(np.int64)


def rewrite(path: Path, target: Path, order: RowArray) -> None:
    """Write hnswlib's file at `path`, which is sound, to `target` with its elements in that order: int64 [n], each once. Labels stay with their
    vectors. OSError where it cannot be written."""
    header = np.fromfile(path, HEADER, 1)
    elements = _elements(path, header[0])
    places = np.empty(len(order), np.uint32)
    places[order] = np.arange(len(order), dtype=np.uint32)
    words = np.asarray(np.memmap(path, "<u4", "r", HEADER.itemsize + elements.nbytes))
    header["entry_point"] = places[header["entry_point"]]
    with target.open("wb") as file:
        header.tofile(file)
        for start in range(0, len(order), BLOCK_ROWS):
            block = elements[order[start : start + BLOCK_ROWS]]
            block["neighbours"] = _renumbered(block["count"], block["neighbours"], places)
            block.tofile(file)
        _moved_levels(words, header[0], order, places).tofile(file)


def _moved_levels(words: Words, header: np.void, order: RowArray, places: Words) -> Words:
    """The upper levels, in the new order and with the new numbers."""
    m, top = int(header["m"]), int(header["max_level"])
    owners, starts, heights = upper_records(words, len(order), m, top)
    sizes = np.ones(len(order), np.int64)
    sizes[places[owners]] += heights * (m + 1)
    moved_starts = (np.cumsum(sizes) - sizes)[places[owners]]
    moved = np.zeros(int(sizes.sum()), np.uint32)
    moved[moved_starts] = 4 * heights * (m + 1)
    for level in range(top):
        on_level = heights > level
        records = words[(starts[on_level] + level * (m + 1))[:, None] + np.arange(m + 1)]
        records[:, 1:] = _renumbered(records[:, 0], records[:, 1:], places)
        moved[(moved_starts[on_level] + 1 + level * (m + 1))[:, None] + np.arange(m + 1)] = records
    return moved


def _renumbered(counts: Words, neighbours: Words, places: Words) -> Words:
    """The same lists with new numbers; what stands behind their ends is forgotten."""
    listed = np.arange(neighbours.shape[1]) < counts[:, None]
    return np.where(listed, places[np.where(listed, neighbours, 0)], np.uint32(0))


def _elements(path: Path, header: np.void) -> AnyArray:
    dimension_count = (int(header["label_offset"]) - int(header["vector_offset"])) // 4
    return np.memmap(path, element_of(int(header["m"]), dimension_count), "r", HEADER.itemsize, (int(header["count"]),))
