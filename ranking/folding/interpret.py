"""Runs a model symbolically: over what is known of each value (colour, blocks, terms) instead of over numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from domain.arrays import AnyArray
from ranking.external_data import read_constant
from ranking.folding.colour import Colour
from ranking.folding.elementwise import ELEMENTWISE, elementwise
from ranking.folding.graph import Graph
from ranking.folding.layout import concat, expand, reshape, transpose
from ranking.folding.linear import gemm, matmul
from ranking.folding.normalise import batch_normalization, scaler
from ranking.folding.observe import Observed
from ranking.folding.pick import gather, slice_of, split
from ranking.folding.problem import NotFoldable
from ranking.folding.product import product
from ranking.folding.reduce import reduced
from ranking.folding.step import Known, Lengths, Step, barrier
from ranking.folding.value import Value

Rule = Callable[[Step], tuple[Value | None, ...] | None]
"""What an operator does to known values; None where it can only be taken as it is."""


def unchanged(step: Step) -> tuple[Value, ...] | None:
    """Dropout in inference."""
    value = step.inputs[0]
    return (value,) if isinstance(value, Value) and all(one is None for one in step.outputs[1:]) else None


def any_product(step: Step) -> tuple[Value | None, ...] | None:
    """MatMul."""
    made = matmul(step)
    return product(step) if made is None and step.splits else made


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    **dict.fromkeys(("Expand", "Tile"), expand),
    **dict.fromkeys(("ReduceSum", "ReduceMean"), reduced),
    "BatchNormalization": batch_normalization,
    "Concat": concat,
    "Dropout": unchanged,
    "Gather": gather,
    "Gemm": gemm,
    "MatMul": any_product,
    "Slice": slice_of,
    "Split": split,
    "Transpose": transpose,
    "ai.onnx.ml.Scaler": scaler,
}
SHAPES = frozenset({"Shape", "Size"})
FILLED = frozenset({"ConstantOfShape"})


@dataclass
class Interpreter:
    """Interprets one model, in which `observed` says what every tensor looks like. wanted: outputs, by name. splits: whether sums may be taken apart.

    barriers: the model's nodes that had to be taken as they are over values of several colours.
    """

    graph: Graph
    model: ModelProto
    observed: Mapping[str, Observed]
    wanted: Sequence[str]
    directory: Path
    splits: bool
    barriers: list[NodeProto] = field(default_factory=list)

    def run(self, inputs: Mapping[str, Value]) -> Mapping[str, Known]:
        """Everything that the wanted outputs need, by name."""
        if self.model.graph.sparse_initializer:
            raise NotFoldable("it has sparse weights")
        known: dict[str, Known] = dict(inputs)
        nodes, read = self._needed()
        for node in nodes:
            arguments = [self._argument(name, known) for name in node.input]
            self.graph.source = f"{node.op_type} {node.output[0]}"
            made = self._step(node, arguments, read)
            known.update((name, one) for name, one in zip(node.output, made, strict=False) if name and one is not None)
        return known

    def _needed(self) -> tuple[list[NodeProto], set[str]]:
        """(the nodes that the wanted outputs need, in order; the names that these nodes and the outputs read)."""
        read, nodes = set(self.wanted), []
        for node in reversed(self.model.graph.node):
            if read.intersection(node.output):
                nodes.append(node)
                read.update(name for name in node.input if name)
        return nodes[::-1], read

    @cached_property
    def _constants(self) -> Mapping[str, TensorProto]:
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    def _argument(self, name: str, known: dict[str, Known]) -> Known | None:
        if not name:
            return None
        if name not in known:
            tensor = self._constants[name]
            known[name] = Value.of(self.graph.constant(read_constant(tensor, self.directory), tensor))
        return known[name]

    def _step(self, node: NodeProto, arguments: list[Known | None], read: set[str]) -> tuple[Known | None, ...]:
        outputs = tuple(self._seen(name) if name in read else None for name in node.output)
        step = Step(self.graph, node, tuple(arguments), outputs, self.splits)
        if node.op_type in SHAPES or all(_depends_on_nothing(one) for one in arguments):
            return tuple(None if one is None else self._without_data(step, one) for one in outputs)
        name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        rule = RULES.get(name)
        made = rule(step) if rule is not None else None
        if made is None:
            if len({one.colour for one in arguments if isinstance(one, Value)} - {Colour.CONSTANT}) > 1 or _mixed(arguments):
                self.barriers.append(node)
            made = barrier(step)
        return made

    def _seen(self, name: str) -> Observed:
        if name not in self.observed:
            raise NotFoldable(f'"{name}" is no tensor')
        return self.observed[name]

    def _without_data(self, step: Step, one: Observed) -> Known:
        """What depends on constants and on the number of candidates only."""
        constant = one.constant
        if constant is not None:
            return Value.of(self.graph.constant(constant))
        sizes = one.sizes
        if sizes is not None and len(one.shape) <= 1:
            return Lengths(sizes, one.shape, one.dtype)
        if step.operator in FILLED | {"Expand"} or _alike(one):
            return Value.of(self.graph.constant(one.values[0]), one.shape)
        raise NotFoldable(f"{step.operator} makes something else of every number of candidates")


def _depends_on_nothing(one: Known | None) -> bool:
    return one is None or isinstance(one, Lengths) or one.colour is Colour.CONSTANT


def _mixed(arguments: list[Known | None]) -> bool:
    return any(isinstance(one, Value) and one.tensor is None for one in arguments)


def _alike(one: Observed) -> bool:
    """Whether every candidate has the same values: those of one, repeated."""
    first = one.values[0]
    return all(_fits(first, values) and np.array_equal(np.broadcast_to(first, values.shape), values) for values in one.values[1:])


def _fits(few: AnyArray, many: AnyArray) -> bool:
    return all(a in (1, b) for a, b in zip(few.shape, many.shape, strict=True))
