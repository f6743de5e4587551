"""What a ranker of the benchmarks is: its inputs with the columns that feed them, its outputs, and who writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.rankers.columns import width_of


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model and its columns, by their names in a binding, in order.

    length: 0, or entries of a sequence that comes once per request, [1, length, width] ([1, length] for a mask). flat: [n] in place of [n, 1].
    """

    name: str
    columns: tuple[str, ...]
    dtype: str = "float32"
    length: int = 0
    flat: bool = False

    @property
    def width(self) -> int:
        """Elements of one row, or of one entry."""
        return sum(width_of(column) for column in self.columns)

    @property
    def shape(self) -> tuple[str | int, ...]:
        """As the model declares it."""
        if self.length:
            return (1, self.length) if self.columns[0].endswith(".mask") else (1, self.length, self.width)
        return ("n",) if self.flat else ("n", self.width)


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of ranker. title: for tables. write: makes the model, from the seed that its generator has.

    heads: outputs with their weights in the score; a single output is the score itself. least_speedup, least_narrowed: how many times faster than
    whole it must be served, exactly and narrowed, where the issue of folding names a figure.
    """

    title: str
    inputs: tuple[Input, ...]
    write: Callable[[Path, np.random.Generator], None]
    heads: Mapping[str, float] = field(default_factory=lambda: {"score": 1.0})
    least_speedup: float | None = None
    least_narrowed: float | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it reads, once, in order."""
        return tuple(dict.fromkeys(column for one in self.inputs for column in one.columns))

    @property
    def binding(self) -> str:
        """The text of its binding.toml."""
        context = [column for column in self.columns if column.startswith("context.")]
        defaults = ["\n[defaults]", *(f'"{column}" = 0' for column in context)] if context else []
        return "\n".join(["version = 1", _output(self.heads), *(_bound(one) for one in self.inputs), *defaults, ""])


def _output(heads: Mapping[str, float]) -> str:
    if len(heads) == 1:
        return f'output = "{next(iter(heads))}"'
    return f"objective = {{ {', '.join(f'{name} = {weight}' for name, weight in heads.items())} }}"


def _bound(one: Input) -> str:
    lines = [f"\n[inputs.{one.name}]", f'per = "{"request" if one.length else "candidate"}"', f"columns = [\n{_listed(one.columns)}\n]"]
    return "\n".join([*lines, f"length = {one.length}"] if one.length else lines)


def _listed(columns: Sequence[str]) -> str:
    return "\n".join(f'    "{column}",' for column in columns)
