"""The graph that folding makes of a model: nodes with colours. Equal nodes are one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper

from domain.arrays import AnyArray
from ranking.folding.colour import Colour, join
from ranking.folding.size import Shape, Size, fixed

CONSTANT, LEAF, SIZES, TERMS = "earshot.Constant", "earshot.Leaf", "earshot.Sizes", "earshot.Terms"
"""Operators that ONNX does not have. Constant: payload an array. Leaf: payload what is fed. Sizes: payload (per_row, fixed), an int64 vector.
Terms: the sum of its inputs, which emission may join with the products that make them."""

AXES_AS_INPUT = 13
"""The opset from which ReduceSum takes its axes as an input."""

SMALL = 4096
"""Elements up to which equal constants are found to be equal."""


@dataclass(frozen=True, eq=False)
class Node:
    """One step. number: in the order of computing. source: the model's node that it stands for, for people."""

    number: int
    operator: str
    domain: str
    inputs: tuple[Tensor | None, ...]
    attributes: tuple[AttributeProto, ...]
    colour: Colour
    payload: Any = None
    source: str = ""
    outputs: list[Tensor] = field(default_factory=list)

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute."""
        return next((helper.get_attribute_value(a) for a in self.attributes if a.name == name), default)


@dataclass(frozen=True, eq=False)
class Tensor:
    """One result of a node. shape: as it is held. Request-coloured tensors are held as the model makes them for one candidate; any axis may be held
    as 1 where the model repeats the values along it."""

    node: Node
    shape: Shape
    dtype: str

    @property
    def colour(self) -> Colour:
        """The colour of its node."""
        return self.node.colour

    @property
    def array(self) -> AnyArray | None:
        """The values of a constant, or None."""
        values: AnyArray | None = self.node.payload[0] if self.node.operator == CONSTANT else None
        return values


@dataclass
class Graph:
    """Makes nodes. reordered: whether any sum is made in another order than the model makes it, or by another kernel."""

    opset: int
    nodes: list[Node] = field(default_factory=list)
    reordered: bool = False
    source: str = ""
    _known: dict[tuple[Any, ...], Node] = field(default_factory=dict)

    def constant(self, array: AnyArray, proto: TensorProto | None = None) -> Tensor:
        """A tensor of known values. proto: the model's own tensor with these values."""
        array = np.asarray(array)
        small = array.size <= SMALL and proto is None
        key = (CONSTANT, array.dtype.str, array.shape, array.tobytes()) if small else None
        node = self._add(Node(len(self.nodes), CONSTANT, "", (), (), Colour.CONSTANT, (array, proto)), key)
        return self._output(node, 0, fixed(*array.shape), array.dtype.name)

    def leaf(self, payload: Any, colour: Colour, shape: Shape, dtype: str) -> Tensor:
        """What is fed."""
        node = self._add(Node(len(self.nodes), LEAF, "", (), (), colour, payload), ("leaf", payload, dtype))
        return self._output(node, 0, shape, dtype)

    def sizes(self, sizes: Sequence[Size], colour: Colour) -> Tensor:
        """A vector int64 [len(sizes)] of lengths, for the number of candidates that a part of this colour runs with."""
        if colour in (Colour.CONSTANT, Colour.REQUEST) or not any(size.varies for size in sizes):
            return self.constant(np.array([size.at(1) for size in sizes], np.int64))
        node = self._add(Node(len(self.nodes), SIZES, "", (), (), colour, tuple(sizes)), ("sizes", colour, tuple(sizes)))
        return self._output(node, 0, fixed(len(sizes)), "int64")

    def apply(self, operator: str, inputs: Sequence[Tensor], shape: Shape, dtype: str = "", **attributes: Any) -> Tensor:
        """The first output of an operator of ai.onnx; its colour follows from its inputs."""
        made = tuple(helper.make_attribute(name, value) for name, value in attributes.items())
        node = self._step(operator, "", tuple(inputs), made)
        return self._output(node, 0, shape, dtype or inputs[0].dtype)

    def reduce_sum(self, tensor: Tensor, axes: Sequence[int], shape: Shape) -> Tensor:
        """Its sum along axes, which stay as ones."""
        if self.opset < AXES_AS_INPUT:
            return self.apply("ReduceSum", [tensor], shape, axes=list(axes), keepdims=1)
        return self.apply("ReduceSum", [tensor, self.constant(np.array(axes, np.int64))], shape, keepdims=1)

    def call(self, node: NodeProto, inputs: Sequence[Tensor | None], outputs: Sequence[tuple[Shape, str] | None]) -> tuple[Tensor | None, ...]:
        """A node of the model over other inputs. outputs: shape and type of each, None for those that nobody reads."""
        made = self._step(node.op_type, node.domain, tuple(inputs), tuple(node.attribute))
        return tuple(None if one is None else self._output(made, place, *one) for place, one in enumerate(outputs))

    def _step(self, operator: str, domain: str, inputs: tuple[Tensor | None, ...], attributes: tuple[AttributeProto, ...]) -> Node:
        colour = join(tensor.colour for tensor in inputs if tensor is not None)
        key = (operator, domain, tuple(map(id, inputs)), tuple(a.SerializeToString(deterministic=True) for a in attributes))
        colour = Colour.REQUEST if colour is Colour.CONSTANT else colour
        return self._add(Node(len(self.nodes), operator, domain, inputs, attributes, colour, None, self.source), key)

    def _add(self, node: Node, key: tuple[Any, ...] | None) -> Node:
        """The node, or the one that is there already under the same key."""
        if key is not None and key in self._known:
            return self._known[key]
        self.nodes.append(node)
        if key is not None:
            self._known[key] = node
        return node

    def _output(self, node: Node, place: int, shape: Shape, dtype: str) -> Tensor:
        while len(node.outputs) <= place:
            node.outputs.append(Tensor(node, (), ""))
        if not node.outputs[place].dtype:
            node.outputs[place] = Tensor(node, shape, dtype)
        return node.outputs[place]
