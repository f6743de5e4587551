"""Tiers: one code per creator. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from bundle.arrow_values import is_text
from bundle.layout import TIERS
from bundle.name_codes import NameCodes
from bundle.npy import NpyWriter
from bundle.parquet import SourceColumn

MOST_TIERS = 255  # codes are uint8, and 0 is no tier


class TierWriter:
    """Writes tier.npy, uint8 [N]: 0 for no tier (null or empty), else 1 + the place in `tier_names`[1:]."""

    def __init__(self, column: SourceColumn, directory: Path) -> None:
        if not is_text(column.type):
            raise column.refuse(f"holds {column.type}, and a tier is a string", f"cast it to string, or --ignore-column {column.name}")
        self._codes = NameCodes(column, MOST_TIERS)
        self._file = NpyWriter(directory / TIERS, np.uint8)

    @property
    def tier_names(self) -> tuple[str, ...]:
        """By code; the first is empty."""
        return ("", *self._codes.names)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        named = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        codes = self._codes.encode(named, np.arange(start, start + len(values)))
        self._file.append((codes + 1).astype(np.uint8))

    def close(self) -> None:
        """Complete the file."""
        self._file.close()
