"""What the ranker gathers of creators: tables with one row per creator, of columns as they are or of what the creators' part computes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from domain.columns import Creators
from domain.stages import Progress
from ranking.creator_columns import pack_columns
from ranking.creator_part import CreatorPart
from ranking.plan import BoundColumn, TableInput
from ranking.resolve import Piece

BLOCK = 65_536  # rows of columns at a time: tens of megabytes for wide tables
COMPUTED_BLOCK = 4_096  # rows of the creators' part at a time: what its layers make of them stays in the cache


@dataclass
class TableWriter:
    """Collects tables while graphs are composed; equal pieces share one. The `write_...` methods make the files."""

    creators: Creators
    prefix: str
    _columns: dict[tuple[tuple[BoundColumn, ...], str, int], TableInput] = field(default_factory=dict)

    def table_for(self, piece: Piece, dtype: str, length: int) -> TableInput:
        """As `columns_table`."""
        return self.columns_table(piece.columns, dtype, length)

    def columns_table(self, columns: tuple[BoundColumn, ...], dtype: str, length: int) -> TableInput:
        """The table with these columns: [N, width], or [N, length, width] for sequences. The embeddings alone are not copied."""
        key = (columns, dtype, length)
        if key not in self._columns:
            embeddings = dtype == "float32" and not length and [c.ref.text for c in columns] == ["creator.embedding"]
            width = sum(column.width for column in columns)
            name = f"{self.prefix}/table/{len(self._columns)}"
            file = "" if embeddings else f"{len(self._columns)}.npy"
            self._columns[key] = TableInput(name, file, dtype, (len(self.creators), *([length] if length else []), width))
        return self._columns[key]

    def write_columns(self, directory: Path, wanted: frozenset[str], progress: Progress) -> None:
        """Write those tables of columns whose names are wanted and that are not there yet. Raises ArtifactError for a value that does not fit."""
        todo = [(key, t) for key, t in self._columns.items() if t.file and t.name in wanted and not (directory / t.file).exists()]
        if not todo:
            return
        directory.mkdir(exist_ok=True)
        progress.start("packing the ranker's columns", len(self.creators) * len(todo))
        for (columns, dtype, length), table in todo:
            target = _open(directory, table)
            for rows in _blocks(len(self.creators), BLOCK):
                target[slice(*rows)] = pack_columns(self.creators, columns, dtype, length, rows)
                progress.advance(rows[1] - rows[0])
            target.flush()

    def write_computed(self, directory: Path, part: CreatorPart, progress: Progress) -> None:
        """Write the tables that the creators' part computes, block by block: no more is held than one block."""
        directory.mkdir(exist_ok=True)
        progress.start("computing the creators' part of the ranker", len(self.creators))
        targets = [_open(directory, table) for table in part.tables]
        for rows in _blocks(len(self.creators), COMPUTED_BLOCK):
            for target, values in zip(targets, part.compute(self.creators, rows), strict=True):
                target[slice(*rows)] = values
            progress.advance(rows[1] - rows[0])
        for target in targets:
            target.flush()


def _open(directory: Path, table: TableInput) -> np.memmap[Any, np.dtype[Any]]:
    return np.lib.format.open_memmap(directory / table.file, mode="w+", dtype=np.dtype(table.dtype), shape=table.shape)


def _blocks(count: int, size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + size, count)) for start in range(0, count, size))
