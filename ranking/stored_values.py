"""Copies what is stored of listed users straight from their columns: most of what an input takes of a request, in one short loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Column, ColumnKind, Features, RowFeatures
from ranking.plan import BoundColumn


class Scalar(NamedTuple):
    """One number of an input. place: where it stands in the input's row. needed: whether its absence is an error."""

    place: int
    name: str
    needed: bool


class Other(NamedTuple):
    """Anything else. span: where it stands. gather: for sequences of creators, what makes numbers of rows."""

    span: slice
    column: BoundColumn
    gather: Callable[[AnyArray], AnyArray] | None


class Left(NamedTuple):
    """What has to be read with care."""

    scalars: Sequence[Scalar]
    others: Sequence[Other]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do with the rows of `columns`. copied: where the values of all users go; left: the rest."""

    columns: Mapping[str, Column]
    copied: tuple[tuple[int | slice, AnyArray], ...]
    left: Left


class StoredValues:
    """Writes what one input takes of users. `write` may run on several threads at a time.

    Which columns can be copied is decided once per user store: those that have a value for every user, of a type that always fits the input, and for
    vectors of the width that it takes. All of these are finite, since a build refuses others.
    """

    def __init__(self, scalars: Sequence[Scalar], others: Sequence[Other], dtype: str, takes_vectors: bool) -> None:
        """takes_vectors: False for an input of several entries, where each vector is one of them."""
        self._takes_vectors = takes_vectors
        self._all = Left(tuple(scalars), tuple(others))
        self._dtype = np.dtype(dtype)
        self._plan = _Plan({}, (), self._all)

    def write(self, row: AnyArray, features: Features) -> Left:
        """Write what can be copied into an input's `row`. Returns what is left, for the caller to read with care: everything, unless the features are
        those of a stored row and nothing else."""
        if not isinstance(features, RowFeatures):
            return self._all
        plan = self._plan
        if plan.columns is not features.columns:
            self._plan = plan = self._make_plan(features.columns)
        stored_row = features.row
        for place, values in plan.copied:
            row[place] = values[stored_row]
        return plan.left

    def _make_plan(self, columns: Mapping[str, Column]) -> _Plan:
        scalars = {s: columns[s.name].values for s in self._all.scalars if s.name in columns and self._fits(columns[s.name], ())}
        others = {n: columns[o.column.ref.name].values for n, o in enumerate(self._all.others) if self._is_stored_vector(o, columns)}
        copied = [(scalar.place, values) for scalar, values in scalars.items()]
        spans = [(self._all.others[number].span, values) for number, values in others.items()]
        left = Left(tuple(s for s in self._all.scalars if s not in scalars), tuple(o for n, o in enumerate(self._all.others) if n not in others))
        return _Plan(columns, (*copied, *spans), left)

    def _is_stored_vector(self, other: Other, columns: Mapping[str, Column]) -> bool:
        ref = other.column.ref
        plain = self._takes_vectors and ref.side == "user" and not ref.part and other.column.spec.kind is ColumnKind.VECTOR
        return plain and ref.name in columns and self._fits(columns[ref.name], (other.column.width,))

    def _fits(self, column: Column, shape: tuple[int, ...]) -> bool:
        """Whether every row has one value of that shape, and the input takes it. What becomes infinite in a narrower float is found when the input is
        full."""
        plain = column.present is None and column.offsets is None and column.values.shape[1:] == shape
        return plain and (self._dtype.kind == "f" or np.can_cast(column.values.dtype, self._dtype, "safe"))
