"""What creators.parquet and users.parquet take over from the side tables as it stands, in its own types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from domain.listens import Listens
from training.table_file import TableFiles, aligned, listed, read_table

TAKEN = frozenset({"creator_id", "user_id", "name", "tags", "friends"})  # what training writes itself, or has used up
LISTS = frozenset({"markets", "labels", "followed"})
TIME = pa.timestamp("ms", tz="UTC")


@dataclass(frozen=True)
class Carried:
    """Arrow columns by name, in the order of the ids of the Listens that they go with."""

    creators: Mapping[str, Any] = field(default_factory=dict)
    users: Mapping[str, Any] = field(default_factory=dict)


def carried_columns(files: TableFiles, listens: Listens) -> Carried:
    """The columns of both side tables. Raises as `read_tables` does."""
    return Carried(_columns(files.creators, "creator_id", listens.creator_ids), _columns(files.users, "user_id", listens.user_ids))


def _columns(path: Path | None, id_name: str, ids: tuple[str, ...]) -> dict[str, Any]:
    if path is None:
        return {}
    table = aligned(path, read_table(path, (id_name,)), id_name, ids)
    names = [name for name in table.column_names if name not in TAKEN and not pa.types.is_null(table[name].type)]
    return {name: _typed(name, table[name].combine_chunks()) for name in names}


def _typed(name: str, column: Any) -> Any:
    if name in LISTS:
        column = listed(column).cast(pa.list_(pa.string()))
        return column if name == "markets" else column.fill_null(pa.scalar([], column.type))  # null markets mean everywhere
    return column.cast(pa.timestamp("s")).cast(TIME) if name == "create_time" else column
