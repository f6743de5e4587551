"""From many creator ids to rows at once.

The catalogue's own look-up compares strings along a binary search: 0.5 us each and more, which for the 20,000 ids that a request may list is longer
than all the rest of it. Here every id is a hash of 64 bits, and sorted hashes are looked up in sorted hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.arrays import AnyArray, RowArray
from domain.columns import Creators

WORD = 8
WEIGHT_SEED = 6
"""Any fixed number. Whoever finds ids whose hashes meet gains nothing: rows are compared with the ids themselves."""

BLOCK_IDS = 1 << 16

LEAST_COUNT = 64
"""Fewer ids are looked up one by one: 0.05 ms, as much as the fixed cost here."""


class IdTable:
    """The hashes of a catalogue's ids. Immutable, safe from any thread and to share after a fork. Takes 16 bytes per creator."""

    def __init__(self, creators: Creators) -> None:
        self._creators = creators
        self._width = creators.ids.dtype.itemsize
        word_count = -(-self._width // WORD)
        self._weights = np.random.default_rng(WEIGHT_SEED).integers(1, 2**63, word_count, np.uint64) | np.uint64(1)
        hashes = np.concatenate([self._hashes(np.asarray(creators.ids[at : at + BLOCK_IDS])) for at in range(0, len(creators), BLOCK_IDS)])
        self._rows: RowArray = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._rows]

    def rows_of(self, creator_ids: Sequence[str]) -> RowArray:
        """The rows of those ids that are creators, int64, in any order; unknown ids are left out."""
        if len(creator_ids) < LEAST_COUNT:
            return self._creators.rows_of(creator_ids)
        wanted = self._fixed_width(creator_ids)
        if not len(wanted):
            return np.empty(0, np.int64)
        hashes = self._hashes(wanted)
        order = np.argsort(hashes)
        places = np.minimum(np.searchsorted(self._sorted, hashes[order]), len(self._sorted) - 1)
        met = self._sorted[places] == hashes[order]
        rows: RowArray = self._rows[places[met]]
        named = wanted[order[met]]
        same = self._creators.ids[rows] == named
        if same.all():
            return rows
        # Two ids with one hash: the first in the table was compared. One in 10^9 catalogues has such a pair, and strangers' ids may meet one too.
        return np.concatenate((rows[same], self._creators.rows_of([key.decode(errors="replace") for key in named[~same].tolist()])))

    def _fixed_width(self, creator_ids: Sequence[str]) -> AnyArray:
        """The ids that can be creators, as the catalogue stores its own: bytes 'S<width>'. Byte by byte for all ids, not id by id."""
        width = self._width
        text = np.frombuffer("\0".join([*creator_ids, "\0" * width]).encode(), np.uint8)
        ends = np.flatnonzero(text == 0)
        if len(ends) != len(creator_ids) + width:  # some id holds a NUL, which no creator's does
            return self._fixed_width([creator_id for creator_id in creator_ids if "\0" not in creator_id])
        ends = ends[: len(creator_ids)]
        starts = np.concatenate(([0], ends[:-1] + 1))
        lengths = ends - starts
        possible = (lengths > 0) & (lengths <= width)
        starts, lengths = starts[possible], lengths[possible]
        keys = np.zeros((len(starts), width), np.uint8)
        for place in range(int(lengths.max(initial=0))):
            keys[:, place] = np.where(place < lengths, text[starts + place], 0)
        return keys.view(f"S{width}").ravel()

    def _hashes(self, ids: AnyArray) -> AnyArray:
        """uint64 [n] of bytes 'S<width>' [n]."""
        padded = np.ascontiguousarray(ids.astype(f"S{len(self._weights) * WORD}"))
        words = padded.view(np.uint64).reshape(len(ids), len(self._weights))
        mixed = words * self._weights
        mixed ^= mixed >> np.uint64(29)  # the product's low bits depend on the word's low bits alone
        hashes: AnyArray = mixed.sum(axis=1, dtype=np.uint64)
        return hashes
