"""Holds the features that a caller sent against the columns that the ranker reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Creators, FeatureArray, Vocabulary
from domain.errors import FieldViolation, InvalidRequest
from domain.request import SentValue

KIND_NAMES = {float: "number", int: "integer", str: "text", tuple: "texts"}


@dataclass(frozen=True, slots=True)
class SentFeatures:
    """Turns what was sent into values of columns.

    side: "user" or "context". field: the path in the request, for violations. Thread-safe.
    """

    side: str
    field: str
    columns: Mapping[str, ColumnSpec]
    vocabularies: Mapping[str, Vocabulary]
    creators: Creators

    def read(self, sent: Mapping[str, SentValue]) -> dict[str, FeatureArray]:
        """The values by column name. Raises InvalidRequest with one violation per value that is unknown or does not fit its column."""
        values: dict[str, FeatureArray] = {}
        violations = []
        for name, value in sent.items():
            try:
                values[name] = self._value(name, value)
            except ValueError as problem:
                violations.append(FieldViolation(f'{self.field}["{name}"]', str(problem)))
        if violations:
            raise InvalidRequest(*violations)
        return values

    def _value(self, name: str, value: SentValue) -> FeatureArray:
        spec = self.columns.get(name)
        if spec is None:
            known = ", ".join(sorted(self.columns)) or "none"
            raise ValueError(f"unknown {self.side} feature; the ranker of this bundle knows: {known}")
        if spec.meaning is ColumnMeaning.CATEGORY:
            return _category(spec, value, self.vocabularies[f"{self.side}.{name}"])
        if spec.meaning is ColumnMeaning.CREATOR:
            return self.creators.rows_of(_expect_texts(value))
        if spec.kind is ColumnKind.SCALAR:
            return _scalar(spec, value)
        return _list(spec, value)


def _category(spec: ColumnSpec, value: SentValue, vocabulary: Vocabulary) -> FeatureArray:
    if spec.kind is ColumnKind.SCALAR:
        if not isinstance(value, str):
            raise ValueError(f"is a category: send text, not {_kind_name(value)}")
        return np.int64(vocabulary.code(value))
    return vocabulary.encode(_expect_texts(value))


def _expect_texts(value: SentValue) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise ValueError(f"is a sequence of texts: send texts, not {_kind_name(value)}")  # noqa: TRY004 - becomes a field violation
    return value


def _scalar(spec: ColumnSpec, value: SentValue) -> FeatureArray:
    dtype = np.dtype(spec.dtype)
    if isinstance(value, bool | int):
        if dtype.kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise ValueError(f"{value} does not fit into {dtype.name}")
        if dtype.kind == "b" and value not in {0, 1}:
            raise ValueError(f"{value} is no boolean: send 0 or 1")
        return np.array(value, dtype)[()]
    if isinstance(value, float) and dtype.kind == "f":
        return np.array(value, dtype)[()]
    wanted = "number" if dtype.kind == "f" else "integer"
    raise ValueError(f"is a scalar of {dtype.name}: send {wanted}, not {_kind_name(value)}")


def _list(spec: ColumnSpec, value: SentValue) -> FeatureArray:
    dtype = np.dtype(spec.dtype)
    accepted = "iuf" if dtype.kind == "f" else "iu"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in accepted:
        wanted = "numbers" if dtype.kind == "f" else "integers"
        raise ValueError(f"is a {spec.kind} of {dtype.name}: send {wanted}, not {_kind_name(value)}")
    if spec.kind is ColumnKind.VECTOR and len(value) != spec.width:
        raise ValueError(f"is a vector of {spec.width} values, {len(value)} were sent")
    converted = value.astype(dtype)
    if dtype.kind in "iub" and not np.array_equal(converted, value):
        raise ValueError(f"holds values that do not fit into {dtype.name}")
    return converted


def _kind_name(value: SentValue) -> str:
    if isinstance(value, np.ndarray):
        return "numbers" if value.dtype.kind == "f" else "integers"
    return KIND_NAMES[type(value)]
