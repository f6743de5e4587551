"""Copies the scalars of listed users straight from their columns: most of what an input takes of a request, in one short loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Column, Features, RowFeatures


class Scalar(NamedTuple):
    """One number of an input. place: where it stands in the input's row. needed: whether its absence is an error."""

    place: int
    name: str
    needed: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with the rows of `columns`. copied: places with the values of all users; left: what has to be looked at."""

    columns: Mapping[str, Column]
    copied: tuple[tuple[int, AnyArray], ...]
    left: tuple[Scalar, ...]


class StoredScalars:
    """Writes the scalars that one input takes of users. `write` may run on several threads at a time.

    Which columns can be copied is decided once per user store: those that have a value for every user, of a type that always fits the input.
    """

    def __init__(self, wanted: Sequence[Scalar], dtype: str) -> None:
        self._wanted = tuple(wanted)
        self._dtype = np.dtype(dtype)
        self._plan = _Plan({}, (), self._wanted)

    def write(self, row: AnyArray, features: Features) -> Sequence[Scalar]:
        """Write what can be copied into an input's `row`. Returns what is left, for the caller to read with care: everything, unless the features are
        those of a stored row and nothing else."""
        if not isinstance(features, RowFeatures):
            return self._wanted
        plan = self._plan
        if plan.columns is not features.columns:
            self._plan = plan = self._make_plan(features.columns)
        stored_row = features.row
        for place, values in plan.copied:
            row[place] = values[stored_row]
        return plan.left

    def _make_plan(self, columns: Mapping[str, Column]) -> _Plan:
        copied = {scalar: columns[scalar.name].values for scalar in self._wanted if scalar.name in columns and self._fits(columns[scalar.name])}
        return _Plan(columns, tuple((s.place, values) for s, values in copied.items()), tuple(s for s in self._wanted if s not in copied))

    def _fits(self, column: Column) -> bool:
        """Whether every row has one value, and the input takes it. What becomes infinite in a narrower float is found when the input is full."""
        plain = column.present is None and column.offsets is None and column.values.ndim == 1
        return plain and (self._dtype.kind == "f" or np.can_cast(column.values.dtype, self._dtype, "safe"))
