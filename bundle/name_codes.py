"""Numbers names in order of appearance: markets, tiers, labels. Build time only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bundle.arrow_values import distinct
from bundle.parquet import SourceColumn
from domain.arrays import RowArray
from domain.errors import ArtifactError


class NameCodes:
    """Codes 0, 1, 2, ... for at most `most` distinct names."""

    def __init__(self, column: SourceColumn, most: int) -> None:
        self._column = column
        self._most = most
        self._codes: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names so far; the i-th has code i."""
        return tuple(self._codes)

    def encode(self, texts: pa.Array, row_of: RowArray) -> RowArray:
        """Per string its code, int64, -1 for null. `row_of` gives the parquet row of each, for the refusal of one name too many."""
        names, places = distinct(texts)
        codes = np.array([self._code(name) for name in names.to_pylist()] + [-1], np.int64)
        encoded: RowArray = codes[places]
        if len(self._codes) > self._most:
            raise self._too_many(int(row_of[np.argmax(encoded >= self._most)]))
        return encoded

    def _code(self, name: str) -> int:
        return self._codes.setdefault(name, len(self._codes))

    def _too_many(self, row: int) -> ArtifactError:
        text = f"{self.names[self._most]!r:.80} is the distinct value number {self._most + 1}"
        return self._column.refuse(text, f"there may be at most {self._most}: join some of them", row)
