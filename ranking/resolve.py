"""Holds a binding against the model's inputs and the columns: every input becomes pieces of known origin and width, or the build is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from domain.errors import ArtifactError, ArtifactReason
from ranking.bound import Binding, ColumnRef, InputBinding
from ranking.default_value import default_numbers
from ranking.input_shape import served_shape
from ranking.known_columns import Specs
from ranking.plan import BoundColumn, DefaultNumbers
from ranking.signature import TensorInput

CREATOR, REQUEST, SIMILARITY = "creator", "request", "similarity"


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring columns of one input that come from one place. origin: CREATOR, REQUEST or SIMILARITY."""

    origin: str
    columns: tuple[BoundColumn, ...]

    @property
    def width(self) -> int:
        """Elements that it adds to the last dimension."""
        return sum(c.width for c in self.columns)


@dataclass(frozen=True, slots=True)
class InputPlan:
    """One input of the model. pieces in the order of its last dimension; shape: what the model takes, -1 for the candidates' dimension."""

    name: str
    dtype: str
    per: str
    length: int
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]


def resolve_inputs(model: Path, inputs: Sequence[TensorInput], binding: Binding, specs: Specs) -> tuple[InputPlan, ...]:
    """A plan for each input of the model, in its order. Raises ArtifactError (MODEL_SIGNATURE or BINDING_INVALID)."""
    bound = {i.name: i for i in binding.inputs}
    shapes = {i.name: i for i in inputs}
    for one in inputs:
        if one.name not in bound:
            text = f'input "{one.name}" ({one.dtype} {one.shape_text}) is bound to nothing; add [inputs.{one.name}] to {binding.source}'
            raise ArtifactError(model, ArtifactReason.MODEL_SIGNATURE, text)
    for name in bound:
        if name not in shapes:
            text = f"[inputs.{name}] binds no input of the model; its inputs are {', '.join(shapes)}: correct the name or remove it"
            raise ArtifactError(binding.source, ArtifactReason.BINDING_INVALID, text)
    return tuple(_Resolver(model, binding, specs, bound[one.name], one).plan() for one in inputs)


class _Resolver:
    """Resolves one input."""

    def __init__(self, model: Path, binding: Binding, specs: Specs, bound: InputBinding, shape: TensorInput) -> None:
        self._model, self._binding, self._specs, self._bound, self._shape = model, binding, specs, bound, shape

    def plan(self) -> InputPlan:
        """The whole input."""
        columns = tuple(self._column(ref) for ref in self._bound.columns)
        length = self._bound.length if any(_is_sequence(c) for c in self._bound.columns if self._bound.length) else 0
        widths = [(c.ref.text, c.width) for c in columns]
        try:
            shape = served_shape(self._shape, self._bound.per, length, widths)
        except ValueError as problem:
            raise ArtifactError(self._model, ArtifactReason.MODEL_SIGNATURE, f"{problem} ({self._binding.source})") from problem
        return InputPlan(self._bound.name, self._shape.dtype, self._bound.per, length, shape, tuple(_pieces(columns)))

    def _refuse(self, text: str) -> NoReturn:
        raise ArtifactError(self._binding.source, ArtifactReason.BINDING_INVALID, f"[inputs.{self._bound.name}]: {text}")

    def _column(self, ref: ColumnRef) -> BoundColumn:
        spec = self._specs[ref.full]
        self._check_kind(ref, spec)
        element = self._element(ref, spec)
        if element is not None:
            self._check_dtype(ref, element)
        default = None if ref.part == "present" else self._default(ref.full, spec)
        of_default = self._default(f"creator.{ref.of}", self._specs[f"creator.{ref.of}"]) if ref.of else None
        width = element.width if element is not None and not (self._bound.length and not ref.part) else 1
        return BoundColumn(ref, spec, width, default, of_default, self._bound.length if ref.part == "length" else 0)

    def _check_kind(self, ref: ColumnRef, spec: ColumnSpec) -> None:
        lists = spec.kind is not ColumnKind.SCALAR
        if self._bound.length and not lists:
            self._refuse(f'"{ref.text}" is one value, not a sequence; bind it to an input without length')
        if self._bound.length and ref.part == "present":
            self._refuse(f'"{ref.text}" is one value; bind it to an input without length (.mask says it entry by entry)')
        if ref.part in ("length", "mask") and not lists:
            self._refuse(f'"{ref.text}": {ref.full} is a scalar and has no {ref.part}; write {ref.full}.present')
        if not self._bound.length and (ref.part in ("mask", "creator") or (not ref.part and spec.kind is ColumnKind.SEQUENCE)):
            self._refuse(f'"{ref.text}" is a sequence; add length = <entries that the model takes>')
        if self._bound.length and ref.part == "length" and any(_is_sequence(c) for c in self._bound.columns):
            self._refuse(f'"{ref.text}" is one number beside sequences; bind it to an input of its own')
        if not ref.part and spec.meaning is ColumnMeaning.CREATOR:
            self._refuse(f'"{ref.text}" holds creators; write {ref.text}.creator.embedding or another column of creators')
        if ref.part == "creator" and spec.meaning is not ColumnMeaning.CREATOR:
            self._refuse(f'"{ref.text}": {ref.full} does not hold creator ids; bind {ref.full} itself')

    def _element(self, ref: ColumnRef, spec: ColumnSpec) -> ColumnSpec | None:
        """What one entry holds; None for parts, which are 0 and 1 or a small count."""
        if ref.part == "creator":
            of = self._specs[f"creator.{ref.of}"]
            if of.kind is ColumnKind.SEQUENCE:
                self._refuse(f'"{ref.text}": creator.{ref.of} is itself a sequence; only scalars and vectors of creators can be read there')
            return of
        return None if ref.part else spec

    def _check_dtype(self, ref: ColumnRef, element: ColumnSpec) -> None:
        source, target = np.dtype(element.dtype).kind, np.dtype(self._shape.dtype).kind
        if target in "iu" and source not in "iub":
            self._refuse(f'"{ref.text}" is {element.dtype}, but the input takes {self._shape.dtype}: an integer tensor takes integer columns only')
        if target == "b" and source != "b":
            self._refuse(f'"{ref.text}" is {element.dtype}, but the input takes booleans: bind a bool column, .present or .mask')

    def _default(self, full: str, spec: ColumnSpec) -> DefaultNumbers | None:
        try:
            numbers = default_numbers(full, spec, self._binding)
        except ValueError as problem:
            raise ArtifactError(self._binding.source, ArtifactReason.BINDING_INVALID, str(problem)) from problem
        self._check_default(full, numbers)
        return numbers

    def _check_default(self, full: str, numbers: DefaultNumbers | None) -> None:
        target = np.dtype(self._shape.dtype)
        if numbers is None or target.kind not in "iu":
            return
        limits = np.iinfo(target)
        outside = [v for v in numbers if not limits.min <= v <= limits.max]
        if outside:
            self._refuse(f'the default {outside[0]} of "{full}" does not fit {target.name}; write another one')


def _is_sequence(ref: ColumnRef) -> bool:
    """Whether a column of an input with a length fills entries (`.length` is one number, cut off at the length)."""
    return ref.part in ("", "mask", "creator")


def _pieces(columns: Sequence[BoundColumn]) -> list[Piece]:
    pieces: list[Piece] = []
    for column in columns:
        origin = {"creator": CREATOR, "retrieval": SIMILARITY}.get(column.ref.side, REQUEST)
        if pieces and pieces[-1].origin == origin != SIMILARITY:
            pieces[-1] = Piece(origin, (*pieces[-1].columns, column))
        else:
            pieces.append(Piece(origin, (column,)))
    return pieces
