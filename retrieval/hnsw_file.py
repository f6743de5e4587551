"""A structural check of hnswlib's file, before hnswlib reads it.

hnswlib trusts its file: a changed byte in it ends in a crash, a hang or a search through foreign memory. This check proves in NumPy that every
offset, level, count, neighbour and label is within range, so that nothing a search follows leads out of the index. What it cannot see (a
neighbour swapped for another, a changed vector) is harmless to the process, and is what the manifest's sha256 is for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.arrays import AnyArray, BoolArray, FloatArray
from domain.errors import ArtifactError, ArtifactReason
from retrieval.copies import read_copies
from retrieval.description import IndexDescription
from retrieval.hnsw_format import HEADER, Words, element_of, upper_records
from retrieval.vectors import index_vectors

BLOCK_ROWS = 1 << 14
"""Elements checked at a time: some 6 MB at 64 dimensions, so that the passes over one block find it in the cache."""

SAMPLED_ROWS = 1024
"""Vectors compared with the embeddings: another catalogue, metric or padding differs in nearly all of them."""

MAX_LEVEL = 64
"""Levels are drawn as -ln(u) / ln(M) with u of 53 bits: at most 53 for the sparsest graph, M = 2."""


@dataclass(frozen=True, slots=True)
class _Header:
    count: int
    dimension_count: int
    m: int
    ef_construction: int
    max_level: int
    entry_point: int

    @property
    def element(self) -> np.dtype[np.void]:
        return element_of(self.m, self.dimension_count)

    @property
    def upper_start(self) -> int:
        return HEADER.itemsize + self.count * self.element.itemsize


def check_index_file(path: Path, description: IndexDescription) -> None:
    """Prove that hnswlib can load and search this file, and that it is the index described.

    ArtifactError INDEX_CORRUPT when its structure is broken, INDEX_MISMATCH when it is sound but another one: count, dimensions, M, labels that
    are not the rows (but for the copies in copies.npy beside it), or vectors that are not finite. About a second per million rows; the file is
    mapped, never copied.
    """
    try:
        size = path.stat().st_size
        raw = np.fromfile(path, HEADER, 1) if size >= HEADER.itemsize else np.empty(0, HEADER)
    except OSError as error:
        raise _corrupt(path, f"cannot be read ({error.strerror})") from error
    if not len(raw):
        raise _corrupt(path, f"has {size} bytes, less than a header")
    numbers = {name: int(raw[name][0]) for name in HEADER.names or () if name != "level_factor"}
    header = _checked_header(path, numbers, float(raw["level_factor"][0]), size)
    _check_described(path, header, description)
    elements = np.memmap(path, header.element, "r", HEADER.itemsize, (header.count,))
    _check_labels(path, _check_elements(path, elements, description.count), description)
    _check_upper_levels(path, header, size)


def check_vectors(path: Path, description: IndexDescription, embeddings: FloatArray, norms: FloatArray) -> None:
    """Compare sampled vectors of a checked file with the embeddings they were made of; INDEX_MISMATCH where they differ."""
    header = _Header(description.indexed_count, description.padded_dimension_count, description.m, description.ef_construction, 0, 0)
    elements = np.memmap(path, header.element, "r", HEADER.itemsize, (header.count,))
    places = np.unique(np.linspace(0, header.count - 1, SAMPLED_ROWS).astype(np.int64))
    rows = elements["label"][places].astype(np.int64)
    expected = index_vectors(embeddings[rows], norms[rows], description.space, description.reduction, description.max_norm)
    copies = read_copies(path.parent, description.copy_count, description.count)
    pairs = np.unique(np.linspace(0, len(copies) - 1, SAMPLED_ROWS).astype(np.int64)) if len(copies) else np.empty(0, np.int64)
    if (embeddings[copies.rows[pairs]] != embeddings[copies.representatives[pairs]]).any():
        raise _mismatch(path, "a row is listed as a copy of another, with another embedding")
    differs = np.flatnonzero(np.abs(expected - elements["vector"][places]).max(axis=1) > 1e-4)
    if len(differs):
        raise _mismatch(path, f"the vector of row {rows[differs[0]]} is not that of the catalogue")


def _checked_header(path: Path, raw: dict[str, int], level_factor: float, size: int) -> _Header:
    m, count = raw["m"], raw["count"]
    if not 2 <= m <= 10_000 or raw["max_m"] != m or raw["max_m0"] != 2 * m:
        raise _corrupt(path, f"its header says M = {m}, {raw['max_m']} and {raw['max_m0']} neighbours")
    if not 1 <= count < 2**31 or raw["max_elements"] != count:
        raise _corrupt(path, f"its header says {count} elements with room for {raw['max_elements']}")
    vector_size, rest = divmod(raw["label_offset"] - raw["vector_offset"], 4)
    offsets = (raw["level0_offset"], raw["vector_offset"], raw["element_size"])
    if vector_size < 1 or rest or offsets != (0, 4 + 8 * m, raw["label_offset"] + 8):
        raise _corrupt(path, f"the offsets in its header contradict each other: {offsets}")
    if not 0 <= raw["max_level"] < MAX_LEVEL or not raw["entry_point"] < count:
        raise _corrupt(path, f"its header says entry point {raw['entry_point']} on level {raw['max_level']}")
    if not math.isclose(level_factor, 1.0 / math.log(m), rel_tol=1e-9) or not m <= raw["ef_construction"] < 2**31:
        raise _corrupt(path, f"its header says level factor {level_factor}, efConstruction {raw['ef_construction']}")
    header = _Header(count, vector_size, m, raw["ef_construction"], raw["max_level"], raw["entry_point"])
    if size < header.upper_start + 4 * count or size % 4:
        raise _corrupt(path, f"has {size} bytes, too few for {count} elements, or not whole words")
    return header


def _check_described(path: Path, header: _Header, description: IndexDescription) -> None:
    found = (header.count, header.dimension_count, header.m, header.ef_construction)
    wanted = (description.indexed_count, description.padded_dimension_count, description.m, description.ef_construction)
    for name, is_value, must_be in zip(("count", "dimension count", "M", "efConstruction"), found, wanted, strict=True):
        if is_value != must_be:
            raise _mismatch(path, f"its {name} is {is_value}; the manifest says {must_be}")


def _check_elements(path: Path, elements: AnyArray, creator_count: int) -> BoolArray:
    """Which rows are labels: bool [creator_count]."""
    seen = np.zeros(creator_count, np.bool_)
    for start in range(0, len(elements), BLOCK_ROWS):
        block = np.asarray(elements[start : start + BLOCK_ROWS])
        if bad := _bad_neighbours(block["count"], block["neighbours"], len(elements)):
            raise _corrupt(path, f"element {start + bad[0]} {bad[1]}")
        if not np.isfinite(block["vector"]).all():
            raise _mismatch(path, f"a vector among the elements from {start} on is not finite")
        if block["label"].max() >= creator_count:
            raise _mismatch(path, f"a label among the elements from {start} on is not a row")
        seen[block["label"]] = True
    return seen


def _check_labels(path: Path, seen: BoolArray, description: IndexDescription) -> None:
    """Every row must be the label of one element or a copy of such a row; there are as many elements as rows that are no copies."""
    copies = read_copies(path.parent, description.copy_count, description.count)
    if not seen[copies.representatives].all():
        raise _mismatch(path, "a row that stands for its copies is not in the index")
    covered = seen.copy()
    covered[copies.rows] = True
    if not covered.all() or seen[copies.rows].any():
        raise _mismatch(path, f"row {int(np.argmin(covered))} is no label; every row must be, once, unless it is a copy")


def _bad_neighbours(counts: Words, neighbours: Words, count: int) -> tuple[int, str] | None:
    """The first element that lists too many neighbours (the deletion mark, in the same word, included) or one out of range, and what it does."""
    many = np.flatnonzero(counts > neighbours.shape[1])
    if len(many):
        return int(many[0]), f"has {counts[many[0]]} neighbours, or is marked as deleted"
    if neighbours.max() < count:  # places behind the count hold old neighbours or zeros: nearly always this settles it
        return None
    wrong = (neighbours >= count) & (np.arange(neighbours.shape[1]) < counts[:, None])
    first = np.flatnonzero(wrong.any(axis=1))
    return (int(first[0]), "has a neighbour that does not exist") if len(first) else None


def _check_upper_levels(path: Path, header: _Header, size: int) -> None:
    word_count = (size - header.upper_start) // 4
    words = np.asarray(np.memmap(path, "<u4", "r", header.upper_start, (word_count,)))
    record = header.m + 1
    try:
        owners, starts, heights = upper_records(words, header.count, header.m, header.max_level)
    except ValueError as problem:
        raise _corrupt(path, str(problem)) from None
    levels = np.zeros(header.count, np.int64)
    levels[owners] = heights
    if levels.max() != header.max_level or levels[header.entry_point] != header.max_level:
        raise _corrupt(path, f"its top level is {levels.max()}, the entry point's {levels[header.entry_point]}; the header says {header.max_level}")
    for level in range(1, header.max_level + 1):
        on_level = heights >= level
        at = starts[on_level] + (level - 1) * record
        neighbours = words[at[:, None] + np.arange(1, record)]
        if bad := _bad_neighbours(words[at], neighbours, header.count):
            raise _corrupt(path, f"element {owners[on_level][bad[0]]} on level {level} {bad[1]}")
        listed = neighbours[np.arange(header.m) < words[at][:, None]]
        if (levels[listed] < level).any():
            raise _corrupt(path, f"a neighbour on level {level} does not reach that level")


def _corrupt(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.INDEX_CORRUPT, f"the index {text}; build the bundle again")


def _mismatch(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.INDEX_MISMATCH, f"{text}; the index belongs to another bundle, build this one again")
