"""How one parquet column becomes files: every writer takes the column batch by batch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from bundle.layout import present_file
from bundle.npy import NpyWriter
from domain.arrays import BoolArray


class ColumnWriter(Protocol):
    """Turns one parquet column into files. Not thread-safe; called in row order."""

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch: `values` is plain, its first value belongs to row `start`. Raises ArtifactError for a refused value."""
        ...

    def close(self) -> None:
        """Complete the files. Called once, after the last batch or after a failure."""
        ...


class PresenceWriter:
    """Writes which rows have a value, once one has none."""

    def __init__(self, stem: Path) -> None:
        self._path = present_file(stem)
        self._file: NpyWriter | None = None
        self._count = 0

    def append(self, present: BoolArray) -> None:
        """bool [m], for the next m rows."""
        if self._file is None and not present.all():
            self._file = NpyWriter(self._path, np.bool_)
            self._file.append(np.ones(self._count, np.bool_))
        if self._file is not None:
            self._file.append(present)
        self._count += len(present)

    def close(self) -> None:
        """Complete the file, if there is one."""
        if self._file is not None:
            self._file.close()
