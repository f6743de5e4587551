"""Creators with one and the same embedding (a default for new ones, say), when there are many of them.

hnswlib links an element to its nearest neighbours: with more equal vectors than links, they link to each other alone, no path leads in or out,
and recall collapses around them. So the index holds one representative of such a group, and what is found there brings its copies along.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.errors import ArtifactError, ArtifactReason

COPIES_FILE = "copies.npy"

BLOCK_ROWS = 1 << 14

COPIES_PER_LINK = 2
"""Equal embeddings up to so many times M stay in the index: as many as an element of the bottom level has links. Groups of 32 at M = 16 cost
0.1 points of recall (measured), groups of hundreds many."""


def most_copies(m: int) -> int:
    """How many equal vectors an index of m links may hold."""
    return COPIES_PER_LINK * m


@dataclass(frozen=True, slots=True)
class Copies:
    """Which rows are not in the index, and which one stands for each: int64 [C] both, ascending by representative."""

    representatives: RowArray
    rows: RowArray

    def __len__(self) -> int:
        return len(self.rows)

    def ordered(self, id_ranks: RowArray) -> Copies:
        """The same, the copies of one representative by creator id, as `expand` needs them."""
        order = np.lexsort((id_ranks[self.rows], self.representatives))
        return Copies(self.representatives[order], self.rows[order])

    def expand(self, rows: RowArray, similarities: FloatArray, most: int) -> tuple[RowArray, FloatArray]:
        """What was found, followed by the copies of its representatives, at most the first `most` of each."""
        starts = np.searchsorted(self.representatives, rows, "left")
        counts = np.minimum(np.searchsorted(self.representatives, rows, "right") - starts, most)
        total = int(counts.sum())
        if not total:
            return rows, similarities
        places = np.arange(total) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        return np.concatenate((rows, self.rows[places])), np.concatenate((similarities, np.repeat(similarities, counts)))


def no_copies() -> Copies:
    """Every row is in the index."""
    return Copies(np.empty(0, np.int64), np.empty(0, np.int64))


def find_copies(embeddings: FloatArray, tolerated: int) -> Copies:
    """The groups of more than `tolerated` bitwise equal embeddings; the first row of each represents it. Blocked over float32 [N, D]."""
    keys = _keys(embeddings)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], keys[order[1:]] != keys[order[:-1]])))
    sizes = np.diff(np.append(starts, len(order)))
    groups = [order[start : start + size] for start, size in zip(starts[sizes > tolerated], sizes[sizes > tolerated], strict=True)]
    groups = sorted((_equal(embeddings, group) for group in groups), key=lambda group: int(group[0]))
    if not groups:
        return no_copies()
    return Copies(np.repeat([group[0] for group in groups], [len(group) - 1 for group in groups]), np.concatenate([group[1:] for group in groups]))


def write_copies(copies: Copies, directory: Path) -> None:
    """Write `directory`/copies.npy: int64 [2, C]."""
    np.save(directory / COPIES_FILE, np.stack((copies.representatives, copies.rows)), allow_pickle=False)


def read_copies(directory: Path, copy_count: int, creator_count: int) -> Copies:
    """Read what `write_copies` wrote. ArtifactError INDEX_CORRUPT when it is not that, for so many copies among so many creators."""
    if not copy_count:
        return no_copies()
    path = directory / COPIES_FILE
    try:
        with path.open("rb") as file:  # a header may promise more than there is, or than memory holds
            npy_format.read_magic(file)
            shape, _, dtype = npy_format.read_array_header_1_0(file)
        if dtype != np.dtype("<i8") or shape != (2, copy_count):
            raise _corrupt(path, f"holds {dtype} {shape!r:.80}, not int64 (2, {copy_count})")
        pairs: AnyArray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError, RecursionError) as error:
        raise _corrupt(path, f"cannot be read ({error})") from error
    copies = Copies(pairs[0].copy(), pairs[1].copy())
    if pairs.min() < 0 or pairs.max() >= creator_count or (np.diff(copies.representatives) < 0).any() or len(np.unique(copies.rows)) != copy_count:
        raise _corrupt(path, "names rows that do not exist, out of order or twice")
    return copies


def _keys(embeddings: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash of every row's bits."""
    weights = np.random.default_rng(0).integers(1, 2**63, embeddings.shape[1], np.uint64) | np.uint64(1)
    keys = np.empty(len(embeddings), np.uint64)
    for start in range(0, len(embeddings), BLOCK_ROWS):
        bits = np.ascontiguousarray(embeddings[start : start + BLOCK_ROWS]).view(np.uint32).astype(np.uint64)
        keys[start : start + BLOCK_ROWS] = (bits * weights).sum(axis=1, dtype=np.uint64)
    return keys


def _equal(embeddings: FloatArray, rows: RowArray) -> RowArray:
    """Those of `rows` whose embedding is the first one's: all, unless two hashes collide."""
    first = embeddings[rows[0]]
    same = [(embeddings[rows[start : start + BLOCK_ROWS]] == first).all(axis=1) for start in range(0, len(rows), BLOCK_ROWS)]
    equal: RowArray = rows[np.concatenate(same)]
    return equal


def _corrupt(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.INDEX_CORRUPT, f"the list of copies {text}; build the bundle again")
