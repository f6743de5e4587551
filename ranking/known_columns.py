"""What every bound column holds: known from the tables, or inferred for values that only requests bring."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Creators
from domain.errors import ArtifactError, ArtifactReason
from ranking.bound import Binding, ColumnRef, InputBinding
from ranking.signature import TensorInput

AS_OF_TIME = "context.as_of_time"

Specs = Mapping[str, ColumnSpec]
"""Column specs by full name; `user.embedding`, `creator.embedding` and `retrieval.similarity` are among them."""


def known_columns(binding: Binding, inputs: Sequence[TensorInput], creators: Creators, user_columns: Sequence[ColumnSpec]) -> Specs:
    """The spec of every column that the binding may read.

    Raises ArtifactError(BINDING_INVALID) for a column that is nowhere and that no request could bring either.
    """
    stored = _stored(creators, user_columns)
    missing = {r.full: r for r in binding.references if r.full not in stored}
    for full, ref in missing.items():
        if ref.side == "creator" or (ref.side == "user" and user_columns and full not in binding.defaults):
            raise ArtifactError(binding.source, ArtifactReason.BINDING_INVALID, _unknown(ref, stored))
    for ref in binding.references:
        if ref.of and f"creator.{ref.of}" not in stored:
            raise ArtifactError(binding.source, ArtifactReason.BINDING_INVALID, _unknown(ColumnRef("creator", ref.of), stored))
    shapes = {i.name: i for i in inputs}
    sent = {full: _infer(ref, binding, shapes) for full, ref in missing.items()}
    return _with_widths({**stored, **sent}, binding, shapes, frozenset(sent))


def _stored(creators: Creators, user_columns: Sequence[ColumnSpec]) -> dict[str, ColumnSpec]:
    embedding = ColumnSpec("embedding", ColumnKind.VECTOR, "float32", int(creators.embeddings.shape[1]))
    fixed = {
        "user.embedding": embedding,
        "creator.embedding": embedding,
        "retrieval.similarity": ColumnSpec("similarity", ColumnKind.SCALAR, "float32"),
        AS_OF_TIME: ColumnSpec("as_of_time", ColumnKind.SCALAR, "int64", 1, ColumnMeaning.TIME),
    }
    columns = {f"creator.{name}": column.spec for name, column in creators.columns.items()}
    return fixed | columns | {f"user.{spec.name}": spec for spec in user_columns}


def _unknown(ref: ColumnRef, stored: Specs) -> str:
    own = sorted(name for name in stored if name.startswith(f"{ref.side}."))
    near = difflib.get_close_matches(ref.full, own, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(own)}"
    if ref.side == "user":
        rest = "if requests will send it, give it a value in [defaults] for those that do not, or bind it as context.<name>"
    else:
        rest = f'a column of texts needs [vocabularies] "{ref.full}"'
    return f'column "{ref.full}" is not in {ref.side}s.parquet; {hint} ({rest})'


def _infer(ref: ColumnRef, binding: Binding, shapes: Mapping[str, TensorInput]) -> ColumnSpec:
    """A column that only requests bring, from the way it is read. Its width, for now, is that of one number."""
    kind = ColumnKind.SEQUENCE if ref.full in binding.sequences else ColumnKind.SCALAR
    width = 0 if kind is ColumnKind.SEQUENCE else 1
    if ref.full in binding.creator_sequences:
        return ColumnSpec(ref.name, kind, "int64", width, ColumnMeaning.CREATOR)
    if ref.full in binding.vocabularies:
        return ColumnSpec(ref.name, kind, "int64", width, ColumnMeaning.CATEGORY)
    return ColumnSpec(ref.name, kind, _dtype(_elements(ref, binding, shapes)), width)


def _elements(ref: ColumnRef, binding: Binding, shapes: Mapping[str, TensorInput]) -> set[str]:
    reading = [i for i in binding.inputs if any(c.full == ref.full and not c.part for c in i.columns)]
    return {shapes[i.name].dtype for i in reading if i.name in shapes}


def _dtype(elements: set[str]) -> str:
    """The narrowest type that every reading input can take exactly, of those that requests can send."""
    if elements == {"bool"}:
        return "bool"
    if any("int" in e for e in elements):
        return "int64"
    return "float64" if "float64" in elements else "float32"


def _with_widths(specs: Specs, binding: Binding, shapes: Mapping[str, TensorInput], sent: frozenset[str]) -> Specs:
    """The same specs, where a sent number that is the only open one of its input becomes a vector of the width that is left."""
    widened = dict(specs)
    for one in binding.inputs:
        found = _open_width(one, shapes.get(one.name), specs, sent)
        if found is not None:
            full, width = found
            widened[full] = ColumnSpec(specs[full].name, ColumnKind.VECTOR, specs[full].dtype, width)
    return widened


def _open_width(one: InputBinding, shape: TensorInput | None, specs: Specs, sent: frozenset[str]) -> tuple[str, int] | None:
    if shape is None or one.length or not shape.dims or shape.dims[-1] is None:
        return None
    values = [c for c in one.columns if not c.part]
    unknown = [c for c in values if c.full in sent and specs[c.full].meaning is ColumnMeaning.NUMBER and specs[c.full].kind is ColumnKind.SCALAR]
    if len(unknown) != 1:
        return None
    rest = sum(specs[c.full].width for c in values if c is not unknown[0]) + len(one.columns) - len(values)
    width = shape.dims[-1] - rest
    return (unknown[0].full, width) if width > 1 else None
