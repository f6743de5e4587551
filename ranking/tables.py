"""Packs what the ranker reads of creators into tables: one row per creator, in the element type of the input that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Column, ColumnKind, Creators
from domain.errors import ArtifactError, ArtifactReason
from domain.stages import Progress
from ranking.plan import BoundColumn, TableInput
from ranking.resolve import Piece

BLOCK = 65_536  # rows at a time: tens of megabytes for wide tables


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a table holds: the columns, or their product with `weight` [width of the columns, width of the table]."""

    columns: tuple[BoundColumn, ...]
    table: TableInput
    weight: AnyArray | None = None


@dataclass
class TableWriter:
    """Collects tables while the graph is composed; equal pieces share one. `write` makes the files."""

    creators: Creators
    prefix: str
    tables: list[TableInput] = field(default_factory=list)
    _contents: list[_Contents] = field(default_factory=list)
    _known: dict[tuple[tuple[BoundColumn, ...], str, int], TableInput] = field(default_factory=dict)

    def table_for(self, piece: Piece, dtype: str, length: int) -> TableInput:
        """The table with the rows of `piece`: [N, width], or [N, length, width] for sequences. The embeddings alone are not copied."""
        key = (piece.columns, dtype, length)
        if key not in self._known:
            embeddings = dtype == "float32" and not length and [c.ref.text for c in piece.columns] == ["creator.embedding"]
            shape = (length, piece.width) if length else (piece.width,)
            self._known[key] = self._add(piece.columns, dtype, shape, stored=not embeddings)
        return self._known[key]

    def product_for(self, pieces: Sequence[Piece], dtype: str, weight: AnyArray) -> TableInput:
        """The table [N, n] with the columns of `pieces` [N, width], side by side, times `weight` [width, n]."""
        return self._add(tuple(column for piece in pieces for column in piece.columns), dtype, weight.shape[1:], weight=weight)

    def _add(
        self, columns: tuple[BoundColumn, ...], dtype: str, shape: tuple[int, ...], *, stored: bool = True, weight: AnyArray | None = None
    ) -> TableInput:
        number = len(self.tables)
        table = TableInput(f"{self.prefix}/table/{number}", f"{number}.npy" if stored else "", dtype, (len(self.creators), *shape))
        self.tables.append(table)
        self._contents.append(_Contents(columns, table, weight))
        return table

    def write(self, directory: Path, progress: Progress) -> None:
        """Write every table into `directory`, which is made when there is any. Raises ArtifactError for a value that does not fit its table."""
        todo = [contents for contents in self._contents if contents.table.file]
        if not todo:
            return
        directory.mkdir(exist_ok=True)
        progress.start("packing the ranker's tables", len(self.creators) * len(todo))
        for contents in todo:
            table = contents.table
            target = np.lib.format.open_memmap(directory / table.file, mode="w+", dtype=np.dtype(table.dtype), shape=table.shape)
            for start, stop in _blocks(len(self.creators)):
                target[start:stop] = self._block(contents, start, stop)
                progress.advance(stop - start)
            target.flush()

    def _block(self, contents: _Contents, start: int, stop: int) -> AnyArray:
        table = contents.table
        length = table.shape[1] if len(table.shape) == 3 else 0
        parts = [_cast(self._values(c, start, stop, length), table, c, start) for c in contents.columns]
        rows = stop - start
        shaped = [p.reshape(rows, length, -1) if length else p.reshape(rows, -1) for p in parts]
        joined: AnyArray = np.concatenate(shaped, axis=-1)
        return joined if contents.weight is None else _product(joined, contents.weight)

    def _values(self, bound: BoundColumn, start: int, stop: int, length: int) -> AnyArray:
        """The values of one column for a block of rows: [rows, width], or [rows, length] for sequences."""
        if bound.ref.is_embedding:
            return self.creators.embeddings[start:stop]
        column = self.creators.columns[bound.ref.name]
        present = np.ones(stop - start, bool) if column.present is None else np.asarray(column.present[start:stop])
        if bound.ref.part == "present":
            return present
        absent = np.flatnonzero(~present)
        if len(absent) and bound.default is None:
            text = f'column "{bound.ref.name}", row {start + absent[0]}: null, and the ranker reads it; add [defaults] "{bound.ref.full}"'
            raise ArtifactError("creators.parquet", ArtifactReason.INPUT_INVALID, text)
        if column.offsets is not None or (length and column.spec.kind is ColumnKind.VECTOR):
            return _sequences(column, bound, (start, stop), length, absent)
        if bound.ref.part == "length":
            return np.full(stop - start, column.spec.width)
        return _filled(np.asarray(column.values[start:stop]), bound, absent)


def _product(values: AnyArray, weight: AnyArray) -> AnyArray:
    """values times weight, summed in float64: after rounding, equal rows are equal wherever they stand in a block, so creators that tie still tie."""
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is inf or NaN; the proof sees it, and the model is served in another form
        product: AnyArray = (values.astype(np.float64) @ weight.astype(np.float64)).astype(values.dtype)
    return product


def _filled(values: AnyArray, bound: BoundColumn, absent: AnyArray) -> AnyArray:
    if len(absent):
        values = values.copy()
        values[absent] = np.array(bound.default).reshape(values.shape[1:])
    return values


def _sequences(column: Column, bound: BoundColumn, rows: tuple[int, int], length: int, absent: AnyArray) -> AnyArray:
    """The newest `length` entries per row, zero-padded at the end (or which of them are real, or how many entries there are)."""
    starts, stops = _bounds(column, rows)
    default = np.array(bound.default or (), column.spec.dtype)
    counts = stops - starts
    counts[absent] = len(default)
    if bound.ref.part == "length":
        return np.minimum(counts, bound.clip) if bound.clip else counts
    real: AnyArray = np.arange(length) < counts[:, None]
    if bound.ref.part == "mask":
        return real
    values = np.asarray(column.values).reshape(-1)
    places = np.maximum(stops - length, starts)[:, None] + np.arange(length)
    padded: AnyArray
    if len(values):
        padded = np.where(real, values[np.minimum(places, len(values) - 1)], values.dtype.type(0))
    else:
        padded = np.zeros(real.shape, column.spec.dtype)
    newest = default[-length:]
    padded[absent] = 0
    padded[absent, : len(newest)] = newest
    return padded


def _bounds(column: Column, rows: tuple[int, int]) -> tuple[AnyArray, AnyArray]:
    """Where the entries of each row start and stop in the flat values."""
    if column.offsets is None:
        starts = np.arange(*rows) * column.spec.width
        return starts, starts + column.spec.width
    return np.asarray(column.offsets[rows[0] : rows[1]]), np.asarray(column.offsets[rows[0] + 1 : rows[1] + 1])


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _cast(values: AnyArray, table: TableInput, bound: BoundColumn, first_row: int) -> AnyArray:
    """The values in the table's type; ArtifactError, with row and value, for one that does not fit."""
    target = np.dtype(table.dtype)
    if np.can_cast(values.dtype, target, "safe"):
        return values.astype(target)
    with np.errstate(over="ignore"):
        cast = values.astype(target)
    wrong = _outside(values, target) if target.kind in "iu" else np.isinf(cast) & np.isfinite(values)
    if wrong.any():
        place = tuple(int(i[0]) for i in np.nonzero(wrong))
        shown = f'column "{bound.ref.name}", row {first_row + place[0]}: {values[place]}'
        text = f"{shown} does not fit {target.name}, which the ranker takes; export the model with a wider type"
        raise ArtifactError("creators.parquet", ArtifactReason.INPUT_INVALID, text)
    return cast


def _outside(values: AnyArray, target: np.dtype[Any]) -> AnyArray:
    limits = np.iinfo(target)
    outside: AnyArray = (values < limits.min) | (values > limits.max)
    return outside
