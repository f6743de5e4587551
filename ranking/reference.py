"""The slow path that proves the fast one: rows assembled one by one in plain NumPy, scored by the model as it was exported.

It shares nothing with `resolve`, `tables`, `fill` and `compose` but the binding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.columns import Creators, Vocabulary
from domain.request import User
from ranking.bound import Binding, ColumnRef, InputBinding
from ranking.session import open_session

ELEMENTS = {"float": "float32", "double": "float64"}
"""Names of the runtime's elements where NumPy has another one."""


def score_raw(model: Path, binding: Binding, creators: Creators, user: User, rows: RowArray, similarities: FloatArray) -> FloatArray:
    """What the exported model gives for each row: float32 [n], as it comes (NaN stays NaN)."""
    return Reference(model, binding, creators).scores(user, rows, similarities)


class Reference:
    """The exported model with a binding. user_widths: widths of the users' and the request's vectors, needed where one number is their default."""

    def __init__(self, model: Path, binding: Binding, creators: Creators, user_widths: Mapping[str, int] | None = None) -> None:
        self._session = open_session(model).session
        self._binding = binding
        self._creators = creators
        self._widths = dict(user_widths or {})

    def scores(self, user: User, rows: RowArray, similarities: FloatArray) -> FloatArray:
        """float32 [n]. Raises ValueError when an output is not [n], [n, 1] or, with a column, [n, c]."""
        feeds = self.feeds(user, rows, similarities)
        heads = self._binding.heads
        outputs = self._session.run([h.output for h in heads], feeds)
        columns = [_column(np.asarray(o), h.text, h.column, len(rows)) for o, h in zip(outputs, heads, strict=True)]
        weights = [np.float32(w) for w in self._binding.objective.values()] or [np.float32(1.0)]
        total: FloatArray = np.sum([w * c.astype(np.float32) for w, c in zip(weights, columns, strict=True)], axis=0, dtype=np.float32)
        return total

    def feeds(self, user: User, rows: RowArray, similarities: FloatArray) -> dict[str, AnyArray]:
        """The inputs of the exported model, by name."""
        feeds = {}
        bound = {i.name: i for i in self._binding.inputs}
        for wanted in self._session.get_inputs():
            dtype = wanted.type.removeprefix("tensor(").removesuffix(")")
            feeds[wanted.name] = self._input(bound[wanted.name], ELEMENTS.get(dtype, dtype), wanted.shape, (user, rows, similarities))
        return feeds

    def _input(self, one: InputBinding, dtype: str, shape: list[object], request: tuple[User, RowArray, FloatArray]) -> AnyArray:
        user, rows, similarities = request
        if one.per == "request":
            row = self._row(one, dtype, user, 0, 0.0)
            return row.reshape(_request_shape(row.shape, shape))
        assembled = np.stack([self._row(one, dtype, user, int(r), float(s)) for r, s in zip(rows, similarities, strict=True)])
        return assembled.reshape(assembled.shape[: len(shape)] if assembled.shape[-1] == 1 else assembled.shape)

    def _row(self, one: InputBinding, dtype: str, user: User, row: int, similarity: float) -> AnyArray:
        """[w], or [length, w] for sequences."""
        parts = []
        for ref in one.columns:
            value = np.asarray(similarity if ref.side == "retrieval" else self._value(ref, one.length, user, row))
            sequence = one.length and ref.part != "length"
            part = value.reshape(one.length, -1) if sequence else value.reshape(-1)
            parts.append(part.astype(dtype))
        return np.concatenate(parts, axis=-1)

    def _value(self, ref: ColumnRef, length: int, user: User, row: int) -> AnyArray:
        value = self._stored(ref, user, row)
        if ref.part == "present":
            return np.asarray(value is not None)
        if value is None:
            value = self._default(ref.full, ref.name, ref.is_request)
        entries = np.asarray(value)
        if ref.part == "length":
            return np.asarray(min(len(entries), length) if length else len(entries))
        return self._padded(ref, entries, length) if length else entries

    def _padded(self, ref: ColumnRef, entries: AnyArray, length: int) -> AnyArray:
        """[length] or [length, w]: the newest entries, then zeros."""
        newest: list[Any] = list(entries)[-length:]
        if ref.part == "mask":
            return np.array([1] * len(newest) + [0] * (length - len(newest)))
        empty = np.zeros((), entries.dtype)
        if ref.part == "creator":
            newest = [self._of_creator(ref.of, int(r)) for r in newest]
            empty = np.zeros_like(self._of_creator(ref.of, 0))
        return np.array([*newest, *[empty] * (length - len(newest))])

    def _stored(self, ref: ColumnRef, user: User, row: int) -> AnyArray | np.generic | None:
        if ref.side == "creator":
            return self._creators.embeddings[row] if ref.is_embedding else self._creators.columns[ref.name].at(row)
        if ref.is_embedding:
            return user.embedding
        return (user.features if ref.side == "user" else user.context).get(ref.name)

    def _of_creator(self, name: str, row: int) -> AnyArray:
        value = self._stored(ColumnRef("creator", name), User("", np.empty(0, np.float32), {}, {}), row)
        return np.ravel(self._default(f"creator.{name}", name, of_request=False) if value is None else value)

    def _default(self, full: str, name: str, of_request: bool) -> AnyArray:
        value = self._binding.defaults[full]
        none = Vocabulary(())
        vocabulary = self._binding.vocabularies.get(full, none)
        if isinstance(value, tuple):
            return np.array([vocabulary.code(v) if isinstance(v, str) else v for v in value])
        number = vocabulary.code(value) if isinstance(value, str) else value
        width = self._widths.get(full, 1) if of_request else self._creators.columns[name].spec.width
        return np.full(width, number)


def _request_shape(assembled: tuple[int, ...], declared: list[object]) -> tuple[int, ...]:
    """What a model of the declared shape takes: the assembled one with or without a leading or a trailing 1."""
    possible = [(1, *assembled), assembled]
    if assembled[-1] == 1:
        possible = [(1, *assembled), assembled, (1, *assembled[:-1]), assembled[:-1]]
    fitting = [s for s in possible if len(s) == len(declared) and all(not isinstance(d, int) or d == e for d, e in zip(declared, s, strict=True))]
    return fitting[-1]


def _column(output: AnyArray, text: str, column: int | None, count: int) -> AnyArray:
    if column is None and output.shape in {(count,), (count, 1)}:
        return output.reshape(count)
    if column is not None and output.ndim == 2 and output.shape[0] == count and column < output.shape[1]:
        picked: AnyArray = output[:, column]
        return picked
    raise ValueError(f'output "{text}" has the shape {list(output.shape)} for {count} candidates')
