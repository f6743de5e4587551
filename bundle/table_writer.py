"""Streams one parquet file through all of its column writers. Build time only."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bundle.arrow_values import plain
from bundle.column_writer import ColumnWriter
from bundle.feature_columns import Feature
from bundle.feature_writers import SequenceWriter
from bundle.layout import COLUMNS
from bundle.parquet import ParquetInput, SourceColumn
from domain.stages import Progress

_Writer = TypeVar("_Writer", bound=ColumnWriter)


class TableWriter:
    """Holds the writers of one table; closes all of them when left. Context manager, one thread."""

    def __init__(self, source: ParquetInput, directory: Path) -> None:
        self._source, self._directory = source, directory
        self._writers: list[tuple[SourceColumn, ColumnWriter]] = []
        self._open = ExitStack()
        (directory / COLUMNS).mkdir()

    def add(self, column: SourceColumn, writer: _Writer) -> _Writer:
        """Let a writer take a column; a column may have several."""
        self._writers.append((column, self._open.enter_context(closing(writer))))
        return writer

    def add_feature(self, feature: Feature, nullable: bool) -> None:
        """Open the files of a feature."""
        self.add(feature.column, feature.open(self._directory, nullable))

    def run(self, task: str, progress: Progress) -> None:
        """Stream the file once."""
        names = list(dict.fromkeys(column.name for column, _ in self._writers))
        for start, batch in self._source.batches(names, task, progress):
            values = {name: plain(batch.column(name)) for name in names}
            for column, writer in self._writers:
                writer.write(start, values[column.name])

    def dropped(self) -> dict[str, int]:
        """By full name of the columns that list creators, how many ids were no creators."""
        return {column.full_name: writer.dropped_count for column, writer in self._writers if isinstance(writer, SequenceWriter) and writer.may_drop}

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()
