"""Parquet files as a stream of record batches, and the refusals that name file, row, column and value. Build time only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from bundle.rules import ReadRules
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from domain.stages import Progress

BATCH_ROW_COUNT = 16_384  # 64 dimensions: 8 MB as float64; 2,048: 256 MB
_READ_BUFFER_BYTES = 1 << 20  # streams through a column chunk instead of holding it: row groups may be as large as the file
_OTHER_IDS = {"creator_id": "user_id", "user_id": "creator_id"}
_MAGIC = {
    b"ARROW1": "an Arrow (Feather) file",
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a zip archive",
    b"\x93NUMPY": "a NumPy array file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
}


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One parquet column, with the side ("creator" or "user") it describes."""

    file: Path
    side: str
    name: str
    type: pa.DataType

    @property
    def full_name(self) -> str:
        """As the binding calls it: `creator.followers`."""
        return f"{self.side}.{self.name}"

    def refuse(self, problem: str, fix: str, row: int | None = None) -> ArtifactError:
        """The error to raise: what is wrong, in which row (counted from 0), and what to do."""
        place = f'column "{self.name}"' if row is None else f'column "{self.name}", row {row}'
        return ArtifactError(self.file, ArtifactReason.INPUT_INVALID, f"{place}: {problem}; {fix}")


@dataclass(frozen=True, slots=True)
class ParquetInput:
    """An opened parquet file: `count` rows in `columns`. Not thread-safe."""

    file: Path
    count: int
    columns: dict[str, SourceColumn]
    _reader: pq.ParquetFile

    def column(self, name: str, expected: str) -> SourceColumn:
        """A column that must be there; `expected` says what it holds."""
        if name not in self.columns:
            have = ", ".join(f'"{column}"' for column in self.columns) or "none"
            other = _OTHER_IDS.get(name, "")
            fix = f"rename or add the column{', or exchange --creators and --users: this looks like the other file' if other in self.columns else ''}"
            text = f'the column "{name}" ({expected}) is missing or ignored; the file has: {have:.1000}; {fix}'
            raise ArtifactError(self.file, ArtifactReason.INPUT_INVALID, text)
        return self.columns[name]

    def batches(self, names: Sequence[str], task: str, progress: Progress) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(row number of the first row, batch) over all rows, with the named columns only; reports every batch."""
        progress.start(task, self.count)
        row = 0
        iterator = self._reader.iter_batches(BATCH_ROW_COUNT, columns=list(names))
        while True:
            try:
                batch = next(iterator, None)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _broken(self.file, f"cannot be read near row {row}: {error}") from error
            if batch is None:
                break
            self._validate(row, batch)
            yield row, batch
            row += len(batch)
            progress.advance(len(batch))
        if row != self.count:
            raise _broken(self.file, f"promises {self.count} rows and holds {row}")

    def _validate(self, start: int, batch: pa.RecordBatch) -> None:
        """Invalid UTF-8 and broken offsets end here, not in a crash later."""
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            try:
                values.validate(full=True)
            except pa.ArrowInvalid as error:
                raise self.columns[name].refuse(str(error), "write the value again", start + _first_invalid(values)) from error


def open_parquet(path: Path, side: str, rules: ReadRules) -> ParquetInput:
    """Open a file, without its ignored columns. InputNotFound when it cannot be opened, INPUT_INVALID when it is no parquet or has two columns
    of one name."""
    _check_magic(path)
    try:
        reader = pq.ParquetFile(path, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False)
        schema, count = reader.schema_arrow, reader.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _broken(path, f"cannot be read as parquet: {error}") from error
    columns = {field.name: SourceColumn(path, side, field.name, field.type) for field in schema}
    if len(columns) != len(schema):
        twice = next(name for name in columns if schema.names.count(name) > 1)
        raise columns[twice].refuse("there are two columns of that name", "rename one of them")
    kept = {name: column for name, column in columns.items() if not rules.ignores(column.full_name)}
    return ParquetInput(path, count, kept, reader)


def _first_invalid(values: pa.Array) -> int:
    for place in range(len(values)):
        try:
            values.slice(place, 1).validate(full=True)
        except pa.ArrowInvalid:
            return place
    return 0


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except IsADirectoryError:
        raise InputNotFound(path, "is a directory; give one parquet file") from None
    except OSError as error:
        raise InputNotFound(path, f"cannot be read: {error.strerror}; give a parquet file that exists") from error
    if head.startswith((b"PAR1", b"PARE")):
        return
    kind = "empty" if not head else next((text for magic, text in _MAGIC.items() if head.startswith(magic)), _text_kind(head))
    raise ArtifactError(path, ArtifactReason.INPUT_INVALID, f"is {kind}, not parquet; {_hint(kind)}")


def _text_kind(head: bytes) -> str:
    if b"\0" in head:
        return "a binary file of another kind"
    if head.lstrip()[:1] in (b"{", b"["):
        return "JSON"
    return "text, perhaps CSV"


def _hint(kind: str) -> str:
    if "CSV" in kind:
        return "read it with types and write it as parquet first: docs/bundle.md shows how, in a few lines"
    return "write it as parquet first"


def _broken(path: Path, text: str) -> ArtifactError:
    one_line = " ".join(text.split())
    return ArtifactError(path, ArtifactReason.INPUT_INVALID, f"{one_line:.500}; write the file again")
