"""What stored numbers are made of: numbers, categories or creators. Build time only."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from bundle.arrow_values import distinct, is_zoned_time, plain_type, stored_dtype, to_numpy
from bundle.id_column import IdLookup
from domain.arrays import AnyArray
from domain.columns import ColumnMeaning, Vocabulary


class Encoder(Protocol):
    """Turns plain Arrow values into an array of `dtype`, null into zero."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The stored type."""
        ...

    @property
    def meaning(self) -> ColumnMeaning:
        """What the stored numbers stand for."""
        ...

    def encode(self, values: pa.Array) -> AnyArray:
        """One number per value, of `dtype`."""
        ...


class NumberEncoder:
    """Numbers as they are; timestamps with a zone as UTC seconds; revisions widened to int64 by `dtype`."""

    def __init__(self, kind: pa.DataType, dtype: np.dtype[np.generic] | None = None) -> None:
        self.dtype = dtype or stored_dtype(kind)
        self.meaning = ColumnMeaning.TIME if is_zoned_time(plain_type(kind)) else ColumnMeaning.NUMBER

    def encode(self, values: pa.Array) -> AnyArray:
        """See `Encoder`."""
        return to_numpy(values).astype(self.dtype, copy=False)


class CategoryEncoder:
    """Strings as codes of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.dtype: np.dtype[np.generic] = np.dtype(np.int64)
        self.meaning = ColumnMeaning.CATEGORY
        self._vocabulary = vocabulary

    def encode(self, values: pa.Array) -> AnyArray:
        """See `Encoder`."""
        names, places = distinct(values)
        codes = self._vocabulary.encode(names.to_pylist())
        return np.append(codes, 0)[places]  # place -1, null, takes the zero


class CreatorEncoder:
    """Creator ids as rows, -1 for ids that are no creators."""

    def __init__(self, lookup: IdLookup) -> None:
        self.dtype: np.dtype[np.generic] = np.dtype(np.int64)
        self.meaning = ColumnMeaning.CREATOR
        self._lookup = lookup

    def encode(self, values: pa.Array) -> AnyArray:
        """See `Encoder`."""
        return self._lookup.rows(values)
