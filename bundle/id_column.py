"""Ids: checked, written at a fixed width, put in order, looked up. Build time only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc

from bundle.arrow_values import distinct, fixed_bytes, is_text, plain, text_bytes
from bundle.layout import ID_ORDER, IDS
from bundle.npy import NpyWriter, open_npy, write_npy
from bundle.parquet import ParquetInput, SourceColumn
from domain.arrays import IdArray, RowArray
from domain.stages import Progress

_CONTROL = r"\p{Cc}"


@dataclass(frozen=True, slots=True)
class IdLookup:
    """Finds the rows of ids: ids bytes 'S<width>' [N], id_order int64 [N]."""

    ids: IdArray
    id_order: RowArray

    def rows(self, texts: pa.Array) -> RowArray:
        """Per string its row, int64, -1 for one that is no id. `texts` is large_string without nulls."""
        names, places = distinct(texts)
        return self._rows_of_distinct(names)[places] if len(names) else np.empty(0, np.int64)

    def _rows_of_distinct(self, names: pa.Array) -> RowArray:
        width = self.ids.dtype.itemsize
        values, lengths = text_bytes(names)
        possible = (lengths > 0) & (lengths <= width)
        possible[possible] = values[np.cumsum(lengths)[possible] - 1] != 0  # a trailing NUL would be lost in comparisons
        keys = fixed_bytes(names.filter(pa.array(possible)), width)
        if not len(self.ids):
            return np.full(len(names), -1, np.int64)
        found = self.id_order[np.minimum(self.ids.searchsorted(keys, sorter=self.id_order), len(self.ids) - 1)]
        rows = np.full(len(names), -1, np.int64)
        rows[possible] = np.where(self.ids[found] == keys, found, -1)
        return rows


def write_ids(source: ParquetInput, column: SourceColumn, most_bytes: int, directory: Path, progress: Progress) -> IdLookup:
    """Write ids.npy and id_order.npy; the answer maps them. Refuses ids that are empty, too long, not unique, or hold control characters."""
    if not is_text(column.type):
        raise column.refuse(f"holds {column.type}, and ids are strings", "cast it to string")
    width = _check_ids(source, column, most_bytes, progress)
    with NpyWriter(directory / IDS, f"S{width}") as writer:
        for _, batch in source.batches([column.name], f"writing {column.name}", progress):
            writer.append(fixed_bytes(plain(batch.column(column.name)), width))
    ids = open_npy(directory / IDS, "S", (source.count,))
    order = np.argsort(ids, kind="stable").astype(np.int64, copy=False)
    _refuse_duplicates(ids, order, column)
    write_npy(directory / ID_ORDER, order)
    return IdLookup(ids, open_npy(directory / ID_ORDER, np.int64, (source.count,)))


def _check_ids(source: ParquetInput, column: SourceColumn, most_bytes: int, progress: Progress) -> int:
    """The length in bytes of the longest id, at least 1."""
    width = 1
    for start, batch in source.batches([column.name], f"checking {column.name}", progress):
        texts = plain(batch.column(column.name))
        if texts.null_count:
            raise column.refuse("null", "every row needs an id", start + pc.index(texts.is_null(), value=True).as_py())
        lengths = text_bytes(texts)[1]
        _refuse_first(column, start, texts, lengths == 0, "an id has at least one character")
        _refuse_first(column, start, texts, lengths > most_bytes, f"an id has at most {most_bytes} bytes of UTF-8")
        control = pc.match_substring_regex(texts, _CONTROL).to_numpy(zero_copy_only=False)
        _refuse_first(column, start, texts, control, "an id has no control characters")
        width = max(width, int(lengths.max(initial=1)))
    return width


def _refuse_first(column: SourceColumn, start: int, texts: pa.Array, bad: np.ndarray, fix: str) -> None:
    if bad.any():
        place = int(np.argmax(bad))
        raise column.refuse(f"{texts[place].as_py()!r:.120}", fix, start + place)


def _refuse_duplicates(ids: IdArray, order: RowArray, column: SourceColumn) -> None:
    ordered = ids[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(same):
        at = same[np.argmin(order[same + 1])]  # the earliest row that repeats an id
        first, second = int(order[at]), int(order[at + 1])
        raise column.refuse(f"{ids[second].decode()!r} is the id of row {first} already", "give every row an id of its own", second)
