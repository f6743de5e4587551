"""Packs columns of creators into plain arrays, as an input of a ranker takes them. Imports no `onnx`: live rows are packed while serving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Column, ColumnKind, Creators
from domain.errors import ArtifactError, ArtifactReason
from ranking.plan import BoundColumn


def pack_columns(creators: Creators, columns: Sequence[BoundColumn], dtype: str, length: int, rows: tuple[int, int]) -> AnyArray:
    """The columns side by side for the rows from rows[0] to before rows[1]: [rows, width], or [rows, length, width] for sequences.

    Raises ArtifactError for a value that is absent without a default, or that does not fit `dtype`.
    """
    count = rows[1] - rows[0]
    parts = [_cast(_values(creators, column, rows, length), np.dtype(dtype), column, rows[0]) for column in columns]
    shaped = [part.reshape(count, length, -1) if length else part.reshape(count, -1) for part in parts]
    packed: AnyArray = np.concatenate(shaped, axis=-1)
    return packed


def _values(creators: Creators, bound: BoundColumn, rows: tuple[int, int], length: int) -> AnyArray:
    """The values of one column for a block of rows: [rows, width], or [rows, length] for sequences."""
    start, stop = rows
    if bound.ref.is_embedding:
        return creators.embeddings[start:stop]
    column = creators.columns[bound.ref.name]
    present = np.ones(stop - start, bool) if column.present is None else np.asarray(column.present[start:stop])
    if bound.ref.part == "present":
        return present
    absent = np.flatnonzero(~present)
    if len(absent) and bound.default is None:
        text = f'column "{bound.ref.name}", row {start + absent[0]}: null, and the ranker reads it; add [defaults] "{bound.ref.full}"'
        raise ArtifactError("creators.parquet", ArtifactReason.INPUT_INVALID, text)
    if column.offsets is not None or (length and column.spec.kind is ColumnKind.VECTOR):
        return _sequences(column, bound, rows, length, absent)
    if bound.ref.part == "length":
        return np.full(stop - start, column.spec.width)
    return _filled(np.asarray(column.values[start:stop]), bound, absent)


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


def _cast(values: AnyArray, target: np.dtype[Any], bound: BoundColumn, first_row: int) -> AnyArray:
    """The values in the table's type; ArtifactError, with row and value, for one that does not fit."""
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
