"""One node of the model as a rule sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from domain.arrays import AnyArray
from ranking.folding.colour import Colour, join
from ranking.folding.graph import Graph, Tensor
from ranking.folding.observe import Observed
from ranking.folding.size import Shape, Size, broadcast
from ranking.folding.value import Value, at_colour, expanded, joined


@dataclass(frozen=True)
class Lengths:
    """Integers that follow the number of candidates: what Shape gives, and what is computed from it. shape: [] or [len(sizes)]."""

    sizes: tuple[Size, ...]
    shape: Shape
    dtype: str


Known = Value | Lengths


@dataclass(frozen=True)
class Step:
    """A node with what is known of its inputs, and the shapes of its outputs. splits: whether sums may be taken apart."""

    graph: Graph
    node: NodeProto
    inputs: tuple[Known | None, ...]
    outputs: tuple[Observed | None, ...]
    splits: bool

    @property
    def operator(self) -> str:
        """Its name, without the domain."""
        return self.node.op_type

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """Its attributes by name."""
        return {a.name: helper.get_attribute_value(a) for a in self.node.attribute}

    @property
    def shape(self) -> Shape:
        """The model's shape of the first output."""
        assert self.outputs[0] is not None
        return self.outputs[0].shape

    @property
    def dtype(self) -> str:
        """The type of the first output."""
        assert self.outputs[0] is not None
        return self.outputs[0].dtype

    @property
    def values(self) -> tuple[Value, ...]:
        """The inputs, where all of them are values."""
        return tuple(one for one in self.inputs if isinstance(one, Value)) if all(isinstance(one, Value) for one in self.inputs) else ()

    def array(self, place: int) -> AnyArray | None:
        """The known values of an input, or None."""
        one = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(one, Lengths) and not any(size.varies for size in one.sizes):
            return np.array([size.fixed for size in one.sizes], one.dtype).reshape([size.fixed for size in one.shape])
        return one.tensor.array if isinstance(one, Value) and one.tensor is not None else None

    def over(self, tensors: Sequence[Tensor]) -> Tensor:
        """The same operator, elementwise, over other tensors in place of the inputs that it has; held as they broadcast."""
        shape = broadcast([tensor.shape for tensor in tensors])
        waiting = iter(tensors)
        placed = [None if one is None else next(waiting) for one in self.inputs]
        (made, *_) = self.graph.call(self.node, placed, [(shape, self.dtype)])
        assert made is not None
        return made


def barrier(step: Step) -> tuple[Value | None, ...]:
    """The node as it is, over finished inputs in the model's own shapes: right for every operator that scores rows one by one."""
    colour = join(_colour(one) for one in step.inputs if one is not None)
    colour = Colour.REQUEST if colour is Colour.CONSTANT else colour
    tensors = [None if one is None else _finished(step.graph, one, colour) for one in step.inputs]
    shapes = [None if one is None else (at_colour(one.shape, colour), one.dtype) for one in step.outputs]
    made = step.graph.call(step.node, tensors, shapes)
    return tuple(None if tensor is None or one is None else Value.of(tensor, one.shape) for tensor, one in zip(made, step.outputs, strict=True))


def _colour(one: Known) -> Colour:
    """Lengths take part in any colour; alone they would make rows of different numbers, which is no business of one side."""
    return one.colour if isinstance(one, Value) else Colour.CONSTANT


def _finished(graph: Graph, one: Known, colour: Colour) -> Tensor:
    if isinstance(one, Lengths):
        sizes = graph.sizes(one.sizes, colour)
        wanted = sizes if one.dtype == "int64" else graph.apply("Cast", [sizes], sizes.shape, one.dtype, to=6)
        return wanted if one.shape else graph.apply("Reshape", [wanted, graph.constant(np.array([], np.int64))], ())
    return expanded(graph, joined(graph, one), one.shape, colour)
