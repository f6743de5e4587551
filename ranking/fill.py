"""Assembles what the served graph takes once per request. Everything that can be decided before the request is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from domain.arrays import AnyArray, BoolArray
from domain.columns import Column, ColumnKind, Creators, Features
from domain.errors import FieldViolation, InvalidRequest
from domain.request import User
from ranking.plan import BoundColumn, DefaultNumbers, RequestInput
from ranking.stored_values import Left, Other, Scalar, StoredValues

Gather = Callable[[AnyArray], AnyArray]
"""Turns the entries of a sequence (creator rows, or numbers) into what is written: [entries] or [entries, width]."""

FIELDS = {"user": "user.features", "context": "context_features"}


class RequestFiller:
    """Fills one input of the served graph. Immutable; `fill` may run on several threads at a time."""

    def __init__(self, wanted: RequestInput, creators: Creators) -> None:
        self.name = wanted.name
        self._wanted = wanted
        self._template = np.zeros((wanted.length or 1, wanted.width), wanted.dtype)
        self._floats = self._template.dtype.kind == "f"
        self._scalars: dict[str, list[Scalar]] = {"user": [], "context": []}
        self._embeddings: list[slice] = []
        others: list[Other] = []
        place = 0
        for column in wanted.columns:
            self._prepare(column, place, creators, others)
            place += column.width
        self._stored = StoredValues(self._scalars["user"], others, wanted.dtype, takes_vectors=not wanted.length)
        self._may_be_nan: BoolArray = np.isnan(self._template) if self._floats else np.zeros(self._template.shape, bool)
        # Stored values and embeddings are finite already, and so are counts and flags; what is sent is looked at.
        self._finite_always = frozenset(other.span.start for other in others if _is_finite(other.column, other.gather))
        self._narrows = self._floats and any(_is_wider(c, creators, self._template.dtype) for c in wanted.columns)

    def _prepare(self, column: BoundColumn, place: int, creators: Creators, others: list[Other]) -> None:
        span = slice(place, place + column.width)
        plain = not column.ref.part and not self._wanted.length
        if plain and column.default is not None:
            self._template[0, span] = column.default
        if plain and column.spec.kind is ColumnKind.SCALAR:
            self._scalars[column.ref.side].append(Scalar(place, column.ref.name, column.default is None))
            return
        if column.ref.is_embedding:
            self._embeddings.append(span)
            return
        gather = _gather_from(creators, column) if column.ref.part == "creator" else None
        others.append(Other(span, column, gather))

    def fill(self, user: User) -> AnyArray:
        """A fresh array in the shape that the graph takes. Raises InvalidRequest for every value that is absent without a default or does not fit."""
        buffer = self._template.copy()
        if self._narrows:
            with np.errstate(over="ignore"):  # what becomes infinite is refused below
                self._write(buffer, user)
            finite = False
        else:
            finite = self._write(buffer, user)
        if self._floats and not finite and not np.isfinite(buffer).all():
            self._check_finite(buffer)
        return buffer.reshape(self._wanted.shape)

    def _write(self, buffer: AnyArray, user: User) -> bool:
        """Write everything. Returns whether all of it is known to be finite."""
        violations: list[FieldViolation] = []
        row = buffer[0]
        left = self._stored.write(row, user.features)
        if left.scalars:
            violations += self._write_scalars(row, left.scalars, user.features, is_user=True)
        if self._scalars["context"]:
            violations += self._write_scalars(row, self._scalars["context"], user.context, is_user=False)
        for span in self._embeddings:
            buffer[0, span] = user.embedding
        finite = self._write_others(buffer, left, user, violations)
        if violations:
            raise InvalidRequest(*violations)
        return finite and not left.scalars and not (self._scalars["context"] and user.context)

    def _write_others(self, buffer: AnyArray, left: Left, user: User, violations: list[FieldViolation]) -> bool:
        finite = True
        for span, column, gather in left.others:
            try:
                finite &= not self._write_other(buffer, span, column, gather, user) or span.start in self._finite_always
            except InvalidRequest as problem:
                violations.extend(problem.violations)
        return finite

    def _write_scalars(self, row: AnyArray, scalars: Sequence[Scalar], features: Features, is_user: bool) -> list[FieldViolation]:
        """What was sent, may be absent or may not fit: one value per step."""
        violations: list[FieldViolation] = []
        get, floats = features.get, self._floats
        for place, name, needed in scalars:
            value = get(name)
            if value is not None:
                try:
                    row[place] = value if floats else int(value)  # an int that does not fit is refused, a NumPy integer would wrap around
                except OverflowError:
                    violations.append(self._unfit(is_user, name, value))
            elif needed:
                violations.append(self._absent(is_user, name))
        return violations

    def _write_other(self, buffer: AnyArray, span: slice, column: BoundColumn, gather: Gather | None, user: User) -> bool:
        """A vector, a sequence, or a part. False where nothing had to be written: the default of a vector is there already."""
        ref, is_user = column.ref, column.ref.side == "user"
        value = (user.features if is_user else user.context).get(ref.name)
        if ref.part == "present":
            buffer[0, span] = value is not None
            return True
        if value is None:
            if column.default is None:
                raise InvalidRequest(self._absent(is_user, ref.name))
            if not ref.part and not self._wanted.length:
                return False
            value = np.array(column.default, column.spec.dtype)
        entries = np.atleast_1d(value)
        if ref.part == "length":
            buffer[0, span] = min(len(entries), column.clip) if column.clip else len(entries)
        elif self._wanted.length:
            self._write_sequence(buffer, span, column, gather, entries)
        elif len(entries) != column.width:
            text = f"is a vector of {column.width} values, {len(entries)} were given"
            raise InvalidRequest(_violation(is_user, ref.name, text))
        else:
            self._check_range(entries, column)
            buffer[0, span] = entries
        return True

    def _write_sequence(self, buffer: AnyArray, span: slice, column: BoundColumn, gather: Gather | None, entries: AnyArray) -> None:
        """The newest entries, oldest first, zeros behind them."""
        newest = entries[-self._wanted.length :]
        count = len(newest)
        if column.ref.part == "mask":
            buffer[:count, span] = 1
            return
        written = newest if gather is None else gather(newest)
        self._check_range(written, column)
        buffer[:count, span] = written.reshape(count, column.width)

    def _check_range(self, values: AnyArray, column: BoundColumn) -> None:
        """Refuse integers that would wrap around."""
        target = self._template.dtype
        if target.kind not in "iu" or not len(values) or np.can_cast(values.dtype, target, "safe"):
            return
        limits = np.iinfo(target)
        wrong = values[(values < limits.min) | (values > limits.max)]
        if len(wrong):
            raise InvalidRequest(self._unfit(column.ref.side == "user", column.ref.name, wrong[0]))

    def _check_finite(self, buffer: AnyArray) -> None:
        """Refuse NaN (where it is no default) and infinity, which a narrower type makes of large numbers."""
        wrong = np.isnan(buffer) & ~self._may_be_nan | np.isinf(buffer)
        if not wrong.any():
            return  # NaN is what the ranker knows absent values by
        place = int(np.nonzero(wrong)[1][0])
        for column in self._wanted.columns:
            place -= column.width
            if place < 0:
                text = f"is not finite as {self._template.dtype.name}, which the ranker of this bundle reads"
                raise InvalidRequest(_violation(column.ref.side == "user", column.ref.name, text))

    def _absent(self, is_user: bool, name: str) -> FieldViolation:
        return _violation(is_user, name, "is read by the ranker of this bundle, has no default, and was neither stored nor sent: send it")

    def _unfit(self, is_user: bool, name: str, value: object) -> FieldViolation:
        return _violation(is_user, name, f"{value} does not fit {self._template.dtype.name}, which the ranker of this bundle reads")


def _is_wider(column: BoundColumn, creators: Creators, target: np.dtype[Any]) -> bool:
    """Whether a value may become infinite in the input's type: floats of a wider one may, and integers in float16."""
    if column.ref.part in ("present", "length", "mask"):
        return False
    dtype = column.spec.dtype
    if column.ref.part == "creator":
        dtype = "float32" if column.ref.of == "embedding" else creators.columns[column.ref.of].spec.dtype
    source = np.dtype(dtype)
    return source.itemsize > target.itemsize and (source.kind == "f" or target.itemsize < 4)


def _is_finite(column: BoundColumn, gather: Gather | None) -> bool:
    """Whether what is written for a vector, a sequence or a part is finite whatever was sent: counts and flags, and what is stored of creators."""
    stored = gather is not None and np.isfinite(np.array(column.of_default or (), np.float64)).all()
    return column.ref.part in ("present", "length", "mask") or bool(stored)


def _violation(is_user: bool, name: str, text: str) -> FieldViolation:
    return FieldViolation(f'{FIELDS["user" if is_user else "context"]}["{name}"]', text)


def _gather_from(creators: Creators, column: BoundColumn) -> Gather:
    """Reads the creators' column behind `.creator.` for creator rows."""
    of = column.ref.of
    if of == "embedding":
        return _take_from(np.asarray(creators.embeddings))
    source: Column = creators.columns[of]
    values = np.asarray(source.values)
    if source.present is None:
        return _take_from(values)
    return _take_or_default(values, np.asarray(source.present), column.of_default)


def _take_from(values: AnyArray) -> Gather:
    return lambda rows: values.take(rows, axis=0)


def _take_or_default(values: AnyArray, present: BoolArray, default: DefaultNumbers | None) -> Gather:
    """As `_take_from`, with the default where the creator has none."""
    filler = np.array(default, values.dtype).reshape(values.shape[1:])

    def gather(rows: AnyArray) -> AnyArray:
        taken = values.take(rows, axis=0)
        taken[~present[rows]] = filler
        return taken

    return gather


Fillers = Mapping[str, RequestFiller]
"""By the name of the served input."""
