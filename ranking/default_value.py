"""Turns a default of the binding into the numbers that stand in for an absent value."""

from __future__ import annotations

import math

import numpy as np

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from ranking.bound import Binding, DefaultValue
from ranking.plan import DefaultNumbers


def default_numbers(full: str, spec: ColumnSpec, binding: Binding) -> DefaultNumbers | None:
    """The default of the column `full`, as many numbers as `spec` is wide (a sequence: as many as given), or None.

    Raises ValueError, saying what to write, when it does not fit the column.
    """
    if full not in binding.defaults:
        return None
    value = binding.defaults[full]
    numbers = tuple(_number(full, v, spec, binding) for v in (value if isinstance(value, tuple) else (value,)))
    if spec.kind is ColumnKind.SEQUENCE:
        if not isinstance(value, tuple):
            raise ValueError(f'[defaults] "{full}" is {value!r}, but the column is a sequence; write a list, like []')
        if spec.meaning is ColumnMeaning.CREATOR and value:
            raise ValueError(f'[defaults] "{full}" lists creators, which may leave the catalogue; write []')
        return numbers
    if not isinstance(value, tuple):
        return numbers * spec.width
    if len(numbers) != spec.width or spec.kind is ColumnKind.SCALAR:
        wanted = "one number" if spec.kind is ColumnKind.SCALAR else f"one number or {spec.width} of them"
        raise ValueError(f'[defaults] "{full}" has {len(numbers)} values; write {wanted}')
    return numbers


def _number(full: str, value: DefaultValue, spec: ColumnSpec, binding: Binding) -> float | int:
    if isinstance(value, str):
        return binding.vocabularies[full].code(value)
    assert not isinstance(value, tuple)  # lists in lists are refused when the binding is read
    kind = np.dtype(spec.dtype).kind
    if kind == "f":
        if abs(value) > float(np.finfo(spec.dtype).max):
            raise ValueError(f'[defaults] "{full}" is {value}, which does not fit {spec.dtype}; write a smaller number')
        return float(value)
    if math.isnan(value) or int(value) != value:
        raise ValueError(f'[defaults] "{full}" is {value}, but the column holds integers; write an integer')
    if kind == "b" and value not in (0, 1):
        raise ValueError(f'[defaults] "{full}" is {value}, but the column holds booleans; write true or false')
    return int(value)
