"""Embeddings: float32 [N, D] as given, and their norms. Build time only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from bundle.arrow_values import elements, is_list, is_text, plain_type, row_of_element, to_numpy, valid
from bundle.layout import EMBEDDINGS, LEAST_NORM, MOST_NORM, NORMS
from bundle.npy import NpyWriter
from bundle.parquet import SourceColumn
from domain.arrays import AnyArray, FloatArray, RowArray


class EmbeddingWriter:
    """Writes embeddings.npy and norms.npy. `dimension_count` None: as many as the first row has."""

    def __init__(self, column: SourceColumn, directory: Path, dimension_count: int | None) -> None:
        kind = plain_type(column.type)
        if not is_list(kind) or not pa.types.is_floating(plain_type(kind.value_type)):
            fix = (
                'take texts like "[0.1, 0.2]" apart first, with json.loads for instance: docs/bundle.md'
                if is_text(kind)
                else "cast it to list<float>"
            )
            raise column.refuse(f"holds {column.type}, and an embedding is a list of floats of one length", fix)
        self.dimension_count = dimension_count
        self._column = column
        self._directory = directory
        self._embeddings: NpyWriter | None = None if dimension_count is None else self._open(dimension_count)
        self._norms = NpyWriter(directory / NORMS, np.float32)

    def write(self, start: int, values: pa.Array) -> None:
        """Take the next batch, see `ColumnWriter`."""
        if not len(values):
            return
        if values.null_count:
            raise self._column.refuse("null", "every row needs an embedding", start + int(np.argmin(valid(values))))
        lengths, flat = elements(values)
        matrix = self._matrix(start, lengths, flat)
        norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
        self._check_norms(start, norms)
        if self._embeddings is None:
            self._embeddings = self._open(matrix.shape[1])
        self._embeddings.append(matrix)
        self._norms.append(norms.astype(np.float32))

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._norms.count

    def close(self) -> None:
        """Complete the files."""
        for file in (self._embeddings, self._norms):
            if file is not None:
                file.close()

    def _open(self, dimension_count: int) -> NpyWriter:
        return NpyWriter(self._directory / EMBEDDINGS, np.float32, (dimension_count,))

    def _matrix(self, start: int, lengths: RowArray, flat: pa.Array) -> FloatArray:
        width = self._check_lengths(start, lengths)
        if flat.null_count:
            element = int(np.argmin(valid(flat)))
            raise self._column.refuse(f"element {element % width} is null", "every element needs a value", start + element // width)
        values = to_numpy(flat)
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused
            floats = values.astype(np.float32, copy=False)
        self._check_finite(start, lengths, values, floats)
        return floats.reshape(len(lengths), width)

    def _check_lengths(self, start: int, lengths: RowArray) -> int:
        if self.dimension_count is None:
            self.dimension_count = int(lengths[0])
        width = self.dimension_count
        if width == 0:
            raise self._column.refuse("the embedding is empty", "give it at least one dimension", start)
        wrong = lengths != width
        if wrong.any():
            place = int(np.argmax(wrong))
            text = f"has {lengths[place]} dimensions where {width} are expected"
            raise self._column.refuse(text, "give all creators and users embeddings of one length", start + place)
        return width

    def _check_finite(self, start: int, lengths: RowArray, values: AnyArray, floats: FloatArray) -> None:
        finite = np.isfinite(floats)
        if not finite.all():
            element = int(np.argmin(finite))
            row = row_of_element(lengths, element)
            text = f"element {element - row * int(lengths[0])} is {values[element]}"
            raise self._column.refuse(text, "embeddings must be finite in float32: correct or leave out the row", start + row)

    def _check_norms(self, start: int, norms: AnyArray) -> None:
        bad = (norms < LEAST_NORM) | (norms > MOST_NORM)
        if not bad.any():
            return
        place = int(np.argmax(bad))
        if norms[place] == 0:
            raise self._column.refuse("the embedding is all zero", "it has no direction: leave out the row or embed it again", start + place)
        text = f"the norm of the embedding is {norms[place]:.6g}, outside {LEAST_NORM:g} to {MOST_NORM:g}"
        raise self._column.refuse(text, "scale all embeddings by one factor, or leave out the row", start + place)
