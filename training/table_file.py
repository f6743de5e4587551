"""Opens the files that listening data comes in: parquet or CSV, columns as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from domain.arrays import RowArray
from domain.errors import ArtifactError, ArtifactReason, InputNotFound

LIST_SEPARATOR = "|"  # in CSV, between the entries of a list of texts


@dataclass(frozen=True)
class TableFiles:
    """listens: user_id, creator_id, and any of count (number), time (timestamp) and context.<name> (number or text: the occasion). Several rows of a
    pair are added up; a row without count is one play. creators: creator_id, and any of name, tags, markets, tier, labels, create_time, revision.
    users: user_id, and any of friends, followed. Every other column of creators and users is a feature. Lists of texts are list<string> in parquet,
    text with "|" between the entries in CSV."""

    listens: Path
    creators: Path | None = None
    users: Path | None = None


def read_table(path: Path, ids: tuple[str, ...]) -> pa.Table:
    """The file's table, ids as text; every one of them present in every row. Raises InputNotFound, ArtifactError(INPUT_INVALID)."""
    if not path.is_file():
        raise InputNotFound(path, "no such file; name an existing one")
    try:
        options = pv.ConvertOptions(column_types=dict.fromkeys(ids, pa.string()))
        table = pq.read_table(path) if path.suffix == ".parquet" else pv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, OSError) as problem:
        raise invalid(path, f"cannot be read: {problem}") from problem
    for name in ids:
        if name not in table.column_names:
            raise invalid(path, f'column "{name}" is missing; the file has: {", ".join(table.column_names)}')
        if table[name].null_count or pc.any(pc.equal(table[name].cast(pa.string()), "")).as_py():
            raise invalid(path, f'column "{name}" has rows without an id; leave them out')
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
    return table


def aligned(path: Path, table: pa.Table, id_name: str, ids: Sequence[str]) -> pa.Table:
    """A row per id, in the order of `ids`, nulls where the table has none. Raises ArtifactError(INPUT_INVALID) for an id that has two rows."""
    if len(table[id_name].unique()) < len(table):
        counts = table[id_name].value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
        raise invalid(path, f'column "{id_name}": "{twice}" has two rows; leave one of them')
    return table.take(pc.index_in(pa.array(ids, pa.string()), table[id_name])).combine_chunks()


def text_entries(table: pa.Table, name: str) -> tuple[RowArray, Any]:
    """(rows int64, texts) of every entry of a list column of texts; none where there is no such column. Empty texts are no entries."""
    if name not in table.column_names or pa.types.is_null(table[name].type):
        return np.empty(0, np.int64), pa.array([], pa.string())
    column = listed(table[name])
    rows, texts = pc.list_parent_indices(column), pc.list_flatten(column).cast(pa.string())
    there = pc.fill_null(pc.not_equal(texts, ""), fill_value=False)
    return rows.filter(there).to_numpy(zero_copy_only=False).astype(np.int64), texts.filter(there)


def listed(column: Any) -> Any:
    """A column of lists as it is, a column of texts split at "|", null for an empty one; one chunk."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    return pc.split_pattern(pc.if_else(pc.equal(column, ""), None, column), LIST_SEPARATOR)


def seconds(column: Any) -> RowArray:
    """int64 UTC seconds of a column of times; times without a zone are UTC."""
    times: RowArray = column.cast(pa.timestamp("s")).cast(pa.int64()).to_numpy()
    return times


def invalid(path: Path, text: str) -> ArtifactError:
    """The refusal of a file."""
    return ArtifactError(path, ArtifactReason.INPUT_INVALID, text)
