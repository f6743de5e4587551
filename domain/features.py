"""What is known of creators, users and occasions beside ids: columns of numbers and of categories, a row each. Arrays, nothing fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.arrays import AnyArray, FloatArray, RowArray


@dataclass(frozen=True)
class Numbers:
    """values: float32 [n, w], NaN where nobody knows; w is 1 for a plain number, the length of a vector otherwise. whole: integers or booleans."""

    values: FloatArray
    whole: bool = False

    def at(self, rows: AnyArray) -> Numbers:
        """Those of `rows`: places (int64), or a mask (bool)."""
        return Numbers(self.values[rows], self.whole)


@dataclass(frozen=True)
class Categories:
    """codes: int64 [n], 0 where nobody knows, otherwise 1 + the place in `values`."""

    codes: RowArray
    values: tuple[str, ...]

    def at(self, rows: AnyArray) -> Categories:
        """Those of `rows`: places (int64), or a mask (bool)."""
        return Categories(self.codes[rows], self.values)


Features = Mapping[str, Numbers | Categories]
"""Columns by name, without their side: `followers`, not `creator.followers`."""
