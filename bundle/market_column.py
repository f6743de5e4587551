"""Markets: per market a packed bitmap of the creators available there, and their rows. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from bundle.arrow_values import elements, is_list_of_text, valid
from bundle.feature_writers import OffsetsWriter
from bundle.layout import EVERYWHERE, EVERYWHERE_ROWS, MARKET_ROWS, MARKETS, values_file
from bundle.name_codes import NameCodes
from bundle.npy import NpyWriter, write_npy
from bundle.parquet import SourceColumn
from domain.arrays import ByteArray, RowArray

MOST_MARKETS = 512


class MarketWriter:
    """Collects bitmaps in memory (N / 8 bytes per market) and writes them at the end, unless every creator is available everywhere."""

    def __init__(self, column: SourceColumn, directory: Path, count: int) -> None:
        if not is_list_of_text(column.type):
            raise column.refuse(
                f"holds {column.type}, and markets are lists of strings", f"cast it to list<string>, or --ignore-column {column.name}"
            )
        self._column, self._directory, self._count = column, directory, count
        self._codes = NameCodes(column, MOST_MARKETS)
        self._bitmaps = np.zeros((8, -(-count // 8)), np.uint8)
        self._everywhere = np.zeros(-(-count // 8), np.uint8)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        lengths, flat = elements(values)
        rows = np.repeat(np.arange(start, start + len(values)), lengths)
        self._check_names(flat, rows)
        codes = self._codes.encode(flat, rows)
        while len(self._bitmaps) < len(self._codes.names):
            self._bitmaps = np.concatenate([self._bitmaps, np.zeros_like(self._bitmaps)])
        np.bitwise_or.at(self._bitmaps, (codes, rows >> 3), _bits(rows))
        anywhere = start + np.flatnonzero(~valid(values))
        np.bitwise_or.at(self._everywhere, anywhere >> 3, _bits(anywhere))

    def close(self) -> None:
        """Nothing is open between batches."""

    def finish(self) -> tuple[str, ...] | None:
        """Write the files after the last batch. The market names by code, or None (and no files) when all creators are available everywhere."""
        everywhere_rows = _rows(self._everywhere, self._count)
        if len(everywhere_rows) == self._count:
            return None
        bitmaps = self._bitmaps[: len(self._codes.names)] | self._everywhere
        write_npy(self._directory / MARKETS, bitmaps)
        write_npy(self._directory / EVERYWHERE, self._everywhere)
        write_npy(self._directory / EVERYWHERE_ROWS, everywhere_rows)
        self._write_rows(bitmaps)
        return self._codes.names

    def _write_rows(self, bitmaps: ByteArray) -> None:
        offsets = OffsetsWriter(self._directory / MARKET_ROWS)
        with NpyWriter(values_file(self._directory / MARKET_ROWS), np.int64) as file:
            for bitmap in bitmaps:
                rows = _rows(bitmap, self._count)
                file.append(rows)
                offsets.append(np.array([len(rows)]))
        offsets.close()

    def _check_names(self, flat: pa.Array, rows: RowArray) -> None:
        if flat.null_count:
            raise self._column.refuse("a market is null", "remove it from the list", int(rows[np.argmin(valid(flat))]))
        empty = pc.equal(flat, "").to_numpy(zero_copy_only=False)
        if empty.any():
            raise self._column.refuse('a market is ""', "the empty name means no restriction: remove or name it", int(rows[np.argmax(empty)]))


def _bits(rows: RowArray) -> ByteArray:
    bits: ByteArray = np.left_shift(1, rows & 7).astype(np.uint8)
    return bits


def _rows(bitmap: ByteArray, count: int) -> RowArray:
    return np.flatnonzero(np.unpackbits(bitmap, count=count, bitorder="little"))
