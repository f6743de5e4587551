"""hnswlib's file.

Layout (hnswlib 0.8.0, little endian): header; per element [neighbour count u32, M0 neighbours u32, vector f32, label u64]; then per element
the byte length of its upper levels u32, followed by those levels from 1 up, each [neighbour count u32, M neighbours u32].
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from domain.arrays import RowArray

Words = NDArray[np.uint32]

HEADER = np.dtype(
    [
        ("level0_offset", "<u8"),
        ("max_elements", "<u8"),
        ("count", "<u8"),
        ("element_size", "<u8"),
        ("label_offset", "<u8"),
        ("vector_offset", "<u8"),
        ("max_level", "<i4"),
        ("entry_point", "<u4"),
        ("max_m", "<u8"),
        ("max_m0", "<u8"),
        ("m", "<u8"),
        ("level_factor", "<f8"),
        ("ef_construction", "<u8"),
    ]
)


def element_of(m: int, dimension_count: int) -> np.dtype[np.void]:
    """One element on level 0."""
    return np.dtype([("count", "<u4"), ("neighbours", "<u4", (2 * m,)), ("vector", "<f4", (dimension_count,)), ("label", "<u8")])


def upper_records(words: Words, count: int, m: int, max_level: int) -> tuple[RowArray, RowArray, RowArray]:
    """(elements above level 0, the word where their levels start, how many levels), all int64. Walks from one to the next: elements on level 0 alone
    are runs of zeros, which are skipped at once. ValueError, with what is wrong, where `words` are not the upper levels of `count` elements."""
    record, places = m + 1, np.flatnonzero(words)
    values, nonzero = words[places].tolist(), places.tolist()
    found: list[tuple[int, int, int]] = []
    element = place = known = 0
    while (known := bisect_left(nonzero, place, known)) < len(nonzero):
        element += nonzero[known] - place
        height, rest = divmod(values[known], 4 * record)
        place = nonzero[known] + 1 + height * record
        if rest or element >= count or height > max_level or place > len(words):
            raise ValueError(f"element {element} has {values[known]} bytes of upper levels")
        found.append((element, nonzero[known] + 1, height))
        element += 1
    if element + len(words) - place != count:
        raise ValueError(f"ends after {element + len(words) - place} of {count} elements")
    owners, starts, heights = np.array(found, np.int64).reshape(-1, 3).T
    return owners, starts, heights
