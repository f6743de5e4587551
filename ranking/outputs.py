"""Holds the outputs that a binding names against those that the model has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.errors import ArtifactError, ArtifactReason
from ranking.bound import Binding, Head
from ranking.signature import ModelOutput


def check_outputs(model: Path, outputs: Sequence[ModelOutput], binding: Binding) -> None:
    """Raise ArtifactError when a score cannot be read from an output: it is not there, no tensor, or has several columns and none was chosen."""
    by_name = {o.name: o for o in outputs}
    for head in binding.heads:
        if head.output not in by_name:
            text = f'output "{head.text}" is no output of the model; its outputs are {", ".join(by_name)}: correct the name'
            raise ArtifactError(binding.source, ArtifactReason.BINDING_INVALID, text)
        problem = _problem(head, by_name[head.output])
        if problem:
            raise ArtifactError(model, ArtifactReason.MODEL_SIGNATURE, f'output "{head.output}" {problem}')


def _problem(head: Head, output: ModelOutput) -> str:
    """What is wrong with an output, or nothing."""
    if output.kind in ("sequence", "map", "optional"):
        return f"is a {output.kind}, not a tensor of scores; export a scikit-learn or LightGBM classifier with zipmap=False"
    if output.kind != "tensor":
        return f"is a {output.kind}; bind an output that holds numbers"
    if output.dims is None:
        return ""  # the graph does not say; the proof runs it
    return _whole_problem(output.name, output.dims) if head.column is None else _column_problem(head.text, head.column, output.dims)


def _whole_problem(name: str, dims: tuple[int | None, ...]) -> str:
    if len(dims) == 2 and dims[1] not in (None, 1):
        return f'has several columns, {_shown(dims)}; pick one, as in "{name}[1]"'
    return "" if len(dims) in (1, 2) else f"has the shape {_shown(dims)}; scores are [n] or [n, 1]"


def _column_problem(text: str, column: int, dims: tuple[int | None, ...]) -> str:
    if len(dims) != 2:
        return f'has the shape {_shown(dims)}, "{text}" picks a column of [n, c]; remove the index or bind another output'
    if dims[1] is not None and column >= dims[1]:
        return f'has {dims[1]} columns, "{text}" picks number {column} counted from 0; pick another one'
    return ""


def _shown(dims: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("n" if d is None else str(d) for d in dims) + "]"
