"""Column schemas as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from bundle.layout import FEATURE_NAME
from bundle.strict_json import JsonObject
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec

_Member = TypeVar("_Member", bound=StrEnum)

_DTYPES = frozenset(["bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"])


def columns_to_json(columns: Sequence[ColumnSpec]) -> list[dict[str, object]]:
    """One object per column."""
    return [{"name": c.name, "kind": c.kind.value, "dtype": c.dtype, "width": c.width, "meaning": c.meaning.value} for c in columns]


def columns_from_json(source: JsonObject, field: str) -> tuple[ColumnSpec, ...]:
    """The columns listed in a field; no name twice, every name usable as a file name."""
    columns = tuple(_column(child) for child in source.children(field))
    names = [column.name for column in columns]
    if len(set(names)) != len(names):
        raise source.invalid(f'the field "{field}" names a column twice')
    return columns


def _column(source: JsonObject) -> ColumnSpec:
    name, dtype = source.text("name"), source.text("dtype")
    if not FEATURE_NAME.fullmatch(name):
        raise source.invalid(f"{name!r:.80} is no column name")
    if dtype not in _DTYPES:
        raise source.invalid(f"{dtype!r:.80} is no type of a column")
    kind = _member(ColumnKind, source, "kind")
    width = source.integer("width")
    if (width == 0) != (kind is ColumnKind.SEQUENCE) or (kind is ColumnKind.SCALAR and width != 1):
        raise source.invalid(f"a {kind} of width {width} cannot be")
    return ColumnSpec(name, kind, dtype, width, _member(ColumnMeaning, source, "meaning"))


def _member(kind: type[_Member], source: JsonObject, field: str) -> _Member:
    value = source.text(field)
    if value not in {member.value for member in kind}:
        raise source.invalid(f'the field "{field}" must be one of {", ".join(kind)}, not {value!r:.80}')
    return kind(value)
