"""Text that is shown or kept, not ranked: names and labels. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from bundle.arrow_values import elements, is_list_of_text, is_text, text_bytes, valid
from bundle.feature_writers import OffsetsWriter
from bundle.layout import LABEL_NAMES, LABELS, NAMES, values_file
from bundle.name_codes import NameCodes
from bundle.npy import NpyWriter
from bundle.parquet import SourceColumn

MOST_LABELS = 1_000_000


class TextWriter:
    """UTF-8 bytes of all rows and where each begins; null is the empty text."""

    def __init__(self, stem: Path) -> None:
        self._bytes = NpyWriter(values_file(stem), np.uint8)
        self._offsets = OffsetsWriter(stem)

    def write(self, start: int, values: pa.Array) -> None:  # noqa: ARG002 - no text is refused, so no row is named
        """Take the next batch, see `ColumnWriter`."""
        text, lengths = text_bytes(values)
        self._bytes.append(text)
        self._offsets.append(lengths)

    def close(self) -> None:
        """Complete the files."""
        self._bytes.close()
        self._offsets.close()


class NameWriter(TextWriter):
    """The names of creators."""

    def __init__(self, column: SourceColumn, directory: Path) -> None:
        if not is_text(column.type):
            raise column.refuse(f"holds {column.type}, and names are strings", f"cast it to string, or --ignore-column {column.name}")
        super().__init__(directory / NAMES)


class LabelWriter:
    """Labels of creators: codes as a sequence, and the distinct labels as texts."""

    def __init__(self, column: SourceColumn, directory: Path) -> None:
        if not is_list_of_text(column.type):
            raise column.refuse(f"holds {column.type}, and labels are lists of strings", f"cast it to list<string>, or --ignore-column {column.name}")
        self._column, self._directory = column, directory
        self._codes = NameCodes(column, MOST_LABELS)
        self._values = NpyWriter(values_file(directory / LABELS), np.int64)
        self._offsets = OffsetsWriter(directory / LABELS)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        lengths, flat = elements(values)
        rows = np.repeat(np.arange(start, start + len(values)), lengths)
        if flat.null_count:
            raise self._column.refuse("a label is null", "remove it", int(rows[np.argmin(valid(flat))]))
        self._values.append(self._codes.encode(flat, rows))
        self._offsets.append(lengths)

    def close(self) -> None:
        """Complete the files."""
        self._values.close()
        self._offsets.close()

    def finish(self) -> None:
        """Write the distinct labels after the last batch."""
        names = TextWriter(self._directory / LABEL_NAMES)
        names.write(0, pa.array(self._codes.names, pa.large_string()))
        names.close()
