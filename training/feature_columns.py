"""Turns columns of anybody's tables into features: numbers, booleans, texts as categories, lists of numbers as vectors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.features import Categories, Features, Numbers
from training.table_file import invalid

CONTEXT_PREFIX = "context."
CREATOR_COLUMNS = frozenset({"creator_id", "name", "tags", "markets", "tier", "labels", "create_time", "revision"})
USER_COLUMNS = frozenset({"user_id", "friends", "followed"})
MADE_HERE = frozenset({"embedding", "taste", "neighbours", "tags", "listeners", "tag_count", "friends", "history", "history_length"})
VOCABULARY_LIMIT = 500  # values of a category; the rarer ones count as unknown: with fewer examples there is little to learn of them
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def creator_features(path: Path | None, rows: pa.Table) -> Features:
    """The features among the columns of creators. Raises ArtifactError(INPUT_INVALID), as the two below do."""
    return _features(path, {name: rows[name] for name in rows.column_names if name not in CREATOR_COLUMNS})


def user_features(path: Path | None, rows: pa.Table) -> Features:
    """The features among the columns of users."""
    return _features(path, {name: rows[name] for name in rows.column_names if name not in USER_COLUMNS})


def context_features(path: Path, plays: pa.Table) -> Features:
    """The occasions: columns context.<name>, without that prefix."""
    named = {name.removeprefix(CONTEXT_PREFIX): plays[name] for name in plays.column_names if name.startswith(CONTEXT_PREFIX)}
    features = _features(path, named)
    for name, column in features.items():
        if isinstance(column, Numbers) and column.values.shape[1] != 1:
            raise invalid(path, f'column "{CONTEXT_PREFIX}{name}" holds lists; an occasion is told by numbers and texts')
    return features


def _features(path: Path | None, columns: dict[str, Any]) -> Features:
    if path is None:
        return {}
    found = {name: _feature(path, name, column) for name, column in columns.items()}
    return {name: column for name, column in found.items() if column is not None}


def _feature(path: Path, name: str, column: Any) -> Numbers | Categories | None:
    """None for a column without a single value."""
    if name in MADE_HERE or not NAME.fullmatch(name):
        what = "is a name that training gives" if name in MADE_HERE else "is no name of a feature ([a-z][a-z0-9_]{0,62})"
        raise invalid(path, f'column "{name}" {what}; rename it or leave it out')
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = column.type
    if pa.types.is_null(kind):
        return None
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Numbers(_floats(path, name, column)[:, None], not pa.types.is_floating(kind))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return _categories(column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _vectors(path, name, column)
    raise invalid(path, f'column "{name}" holds {kind}; a feature is a number, a boolean, a text or a list of numbers: leave it out')


def _floats(path: Path, name: str, column: Any) -> Any:
    """float32 [n], NaN for null."""
    numbers = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    values = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values) & column.is_valid().to_numpy(zero_copy_only=False))
    if len(bad):
        raise invalid(path, f'column "{name}", row {bad[0]}: {column[int(bad[0])]} is no finite number; write null where nobody knows')
    return values


def _categories(column: Any) -> Categories:
    texts = column.cast(pa.string())
    counted = pc.value_counts(texts.filter(pc.fill_null(pc.not_equal(texts, ""), fill_value=False)))
    ranked = sorted(zip(counted.field("counts").to_pylist(), counted.field("values").to_pylist(), strict=True), key=lambda one: (-one[0], one[1]))
    values = tuple(sorted(value for _, value in ranked[:VOCABULARY_LIMIT]))
    places = pc.fill_null(pc.index_in(texts, pa.array(values, pa.string())), -1)
    return Categories(places.to_numpy(zero_copy_only=False).astype(np.int64) + 1, values)


def _vectors(path: Path, name: str, column: Any) -> Numbers:
    if not (pa.types.is_floating(column.type.value_type) or pa.types.is_integer(column.type.value_type)):
        raise invalid(path, f'column "{name}" holds lists of {column.type.value_type}; a feature is a list of numbers: leave it out')
    lengths = pc.list_value_length(column).drop_null().unique().to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise invalid(path, f'column "{name}" holds lists of {len(lengths)} lengths; a vector has one length in all rows')
    there = column.is_valid().to_numpy(zero_copy_only=False)
    values = np.full((len(column), lengths[0]), np.nan, np.float32)
    values[there] = _floats(path, name, pc.list_flatten(column)).reshape(-1, lengths[0])
    return Numbers(values)
