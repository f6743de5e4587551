"""Feature columns of the three kinds: scalar, vector, sequence. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from bundle.arrow_values import elements, row_of_element, valid
from bundle.column_writer import PresenceWriter
from bundle.encoders import Encoder
from bundle.layout import offsets_file, values_file
from bundle.npy import NpyWriter
from bundle.parquet import SourceColumn
from domain.arrays import AnyArray, BoolArray, RowArray
from domain.columns import ColumnMeaning


class ScalarWriter:
    """One number per row. In a nullable column NaN counts as null; elsewhere it is refused, and infinity is refused everywhere."""

    def __init__(self, column: SourceColumn, stem: Path, encoder: Encoder, nullable: bool) -> None:
        self._column, self._encoder, self._nullable = column, encoder, nullable
        self._values = NpyWriter(values_file(stem), encoder.dtype)
        self._presence = PresenceWriter(stem)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        present = valid(values)
        stored = self._encoder.encode(values)
        if stored.dtype.kind == "f":
            stored, present = self._without_nan(start, stored, present)
        refuse_absent(self._column, start, present, self._nullable)
        self._values.append(stored)
        self._presence.append(present)

    def close(self) -> None:
        """Complete the files."""
        self._values.close()
        self._presence.close()

    def _without_nan(self, start: int, stored: AnyArray, present: BoolArray) -> tuple[AnyArray, BoolArray]:
        finite = np.isfinite(stored)
        if finite.all():
            return stored, present
        missing = np.isnan(stored) if self._nullable else np.zeros(len(stored), np.bool_)
        bad = ~finite & ~missing
        if bad.any():
            place = int(np.argmax(bad))
            raise self._column.refuse(str(stored[place]), _finite_fix(self._column), start + place)
        return np.where(missing, stored.dtype.type(0), stored), present & ~missing


class VectorWriter:
    """`width` numbers per row."""

    def __init__(self, column: SourceColumn, stem: Path, encoder: Encoder, nullable: bool, width: int) -> None:
        self._column, self._encoder, self._nullable, self._width = column, encoder, nullable, width
        self._values = NpyWriter(values_file(stem), encoder.dtype, (width,))
        self._presence = PresenceWriter(stem)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        present = valid(values)
        refuse_absent(self._column, start, present, self._nullable)
        lengths, flat = elements(values)
        if (lengths[present] != self._width).any():
            raise AssertionError("a vector's length was measured before")
        vectors = np.zeros((len(values), self._width), self._encoder.dtype)
        vectors[present] = encode_elements(self._column, start, self._encoder, lengths, flat).reshape(-1, self._width)
        self._values.append(vectors)
        self._presence.append(present)

    def close(self) -> None:
        """Complete the files."""
        self._values.close()
        self._presence.close()


class SequenceWriter:
    """Any number of values per row, oldest first as given. Creators that are unknown (-1) are left out and counted
    in `dropped_count`."""

    def __init__(self, column: SourceColumn, stem: Path, encoder: Encoder, nullable: bool) -> None:
        self.dropped_count = 0
        self._column, self._encoder, self._nullable = column, encoder, nullable
        self.may_drop = encoder.meaning is ColumnMeaning.CREATOR
        self._values = NpyWriter(values_file(stem), encoder.dtype)
        self._offsets = OffsetsWriter(stem)
        self._presence = PresenceWriter(stem)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        present = valid(values)
        refuse_absent(self._column, start, present, self._nullable)
        lengths, flat = elements(values)
        stored = encode_elements(self._column, start, self._encoder, lengths, flat)
        if self.may_drop:
            stored, lengths = self._without_unknown(stored, lengths)
        self._values.append(stored)
        self._offsets.append(lengths)
        self._presence.append(present)

    def close(self) -> None:
        """Complete the files."""
        for file in (self._values, self._offsets, self._presence):
            file.close()

    def _without_unknown(self, stored: AnyArray, lengths: RowArray) -> tuple[AnyArray, RowArray]:
        known = stored >= 0
        self.dropped_count += len(known) - int(known.sum())
        ends = np.cumsum(lengths)
        kept_before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
        return stored[known], kept_before[ends] - kept_before[ends - lengths]


class OffsetsWriter:
    """Writes where each row begins, and the end: int64 [N + 1]."""

    def __init__(self, stem: Path) -> None:
        self._file = NpyWriter(offsets_file(stem), np.int64)
        self._file.append(np.zeros(1, np.int64))
        self._end = 0

    def append(self, lengths: RowArray) -> None:
        """The lengths of the next rows."""
        if len(lengths):
            ends = self._end + np.cumsum(lengths, dtype=np.int64)
            self._file.append(ends)
            self._end = int(ends[-1])

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


def encode_elements(column: SourceColumn, start: int, encoder: Encoder, lengths: RowArray, flat: pa.Array) -> AnyArray:
    """The elements of a batch of lists; null and non-finite ones are refused."""
    if flat.null_count:
        element = int(np.argmin(valid(flat)))
        row = row_of_element(lengths, element)
        raise column.refuse(f"element {element - int(lengths[:row].sum())} is null", "lists hold no nulls: fill or remove it", start + row)
    stored = encoder.encode(flat)
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        element = int(np.argmin(np.isfinite(stored)))
        row = row_of_element(lengths, element)
        raise column.refuse(f"element {element - int(lengths[:row].sum())} is {stored[element]}", _finite_fix(column), start + row)
    return stored


def refuse_absent(column: SourceColumn, start: int, present: BoolArray, nullable: bool) -> None:
    """Raise for the first absent value of a column that must have them all."""
    if nullable or present.all():
        return
    fix = f'fill it, give "{column.full_name}" a default in the binding, or leave the column out with --ignore-column {column.name}'
    raise column.refuse("null", fix, start + int(np.argmin(present)))


def _finite_fix(column: SourceColumn) -> str:
    return f'numbers must be finite: correct it, or make it null and give "{column.full_name}" a default in the binding'
