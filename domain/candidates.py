"""What stage 1 hands on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from domain.arrays import AnyArray, ByteArray, FloatArray, RowArray


class Source(IntEnum):
    """Where a candidate came from; the values of `Candidates.sources`."""

    INDEX = 1
    EXACT = 2
    OVERLAY = 3


class RemovalReason(IntEnum):
    """Which filter removed a row; the values of `Removed.reasons`. The first that applies, in this order."""

    MARKET = 1
    TIER = 2
    EXCLUDED = 3
    SEEN = 4
    FOLLOWED = 5


MAX_SHARED = 8192  # more than any request may ask for


def _all_from(source: Source) -> ByteArray:
    sources = np.full(MAX_SHARED, source, np.uint8)
    sources.flags.writeable = False
    return sources


_ALL_FROM = {source: _all_from(source) for source in Source}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Creators as parallel arrays of one length n, best similarity first, ties by creator id, no row twice. Treat the arrays as read-only.

    rows: int64 [n], row numbers in the catalogue; similarities: float32 [n], finite; sources: uint8 [n] of `Source`.
    """

    rows: RowArray
    similarities: FloatArray
    sources: ByteArray

    @classmethod
    def empty(cls) -> Candidates:
        """No candidates."""
        return _NO_CANDIDATES

    @classmethod
    def of(cls, rows: RowArray, similarities: FloatArray, source: Source) -> Candidates:
        """Candidates that all come from one source."""
        count = len(rows)
        return cls(rows, similarities, _ALL_FROM[source][:count] if count <= MAX_SHARED else np.full(count, source, np.uint8))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: AnyArray | slice) -> Candidates:
        """The candidates at `positions`: an int array, a bool mask or a slice."""
        return Candidates(self.rows[positions], self.similarities[positions], self.sources[positions])


@dataclass(frozen=True, slots=True)
class Removed:
    """What a filter took out: rows int64 [n] and, aligned, reasons uint8 [n] of `RemovalReason`."""

    rows: RowArray
    reasons: ByteArray

    @classmethod
    def none(cls) -> Removed:
        """Nothing was removed."""
        return _NOTHING_REMOVED

    def __len__(self) -> int:
        return len(self.rows)

    def counts(self) -> dict[str, int]:
        """Removed rows by the lower-case name of the filter."""
        values, counts = np.unique(self.reasons, return_counts=True)
        return {RemovalReason(int(v)).name.lower(): int(c) for v, c in zip(values, counts, strict=True)}


_NO_CANDIDATES = Candidates.of(np.empty(0, np.int64), np.empty(0, np.float32), Source.INDEX)
_NOTHING_REMOVED = Removed(np.empty(0, np.int64), np.empty(0, np.uint8))


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates with what the ranker made of them.

    candidates: n of them, as handed to the ranker.
    scores: float32 [n], aligned with `candidates`; NaN where the row was not scored or its score was not finite.
    order: int64 [m], positions into `candidates`, best first: by score, ties by creator id, rows without a score after all scored ones by
    similarity, ties by creator id. m is at least min(page size, n), so a prefix of the full order is enough.
    form: how the scores came to be: "whole", the model as it is; "split", the same with the first layers summed in blocks; "folded", the creators'
    block from a table; "none", similarity order.
    all_finite: every score is known to be finite; False: who wants to know looks.
    """

    candidates: Candidates
    scores: FloatArray
    order: RowArray
    form: str
    all_finite: bool = False

    def __len__(self) -> int:
        return len(self.candidates.rows)
