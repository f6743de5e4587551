"""How much work a step is, and what it costs in nanoseconds on one core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from ranking.folding.graph import CONSTANT, LEAF, SIZES, TERMS, Node
from ranking.folding.size import volume

FREE = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Shape", "Size", "Constant", CONSTANT, LEAF, SIZES})
MOVES = frozenset({"Concat", "Slice", "Split", "Gather", "GatherElements", "GatherND", "Transpose", "Expand", "Tile", "Cast", "Pad"})
PRODUCTS = frozenset({"MatMul", "Gemm"})
COSTLY = frozenset({"Erf", "Exp", "Gelu", "Log", "Mish", "Pow", "Sigmoid", "Sin", "Cos", "Softmax", "LogSoftmax", "Softplus", "Tanh"})
COSTLY |= {"LayerNormalization"}
TREE_STEPS = 8  # comparisons per tree and row: about the depth of boosted trees


@dataclass(frozen=True)
class Prices:
    """Nanoseconds. multiply_ns: one multiplication with its addition in float32 in a matrix product; gather_ns: one element of a gathered row, in a
    catalogue that no cache holds (both measured by `python -m bench.adr.first_layer`); move_ns, costly_ns: one element that is read and written, and
    one that goes through a transcendental function; table_ns: one more table to gather a row from; part_ns: one element of a row that is parted again
    (both from profiles of the runtime over what `python -m bench.folding` serves)."""

    multiply_ns: float = 0.011
    gather_ns: float = 0.8
    move_ns: float = 0.1
    costly_ns: float = 0.5
    table_ns: float = 120.0
    part_ns: float = 0.73


PRICES = Prices()
Lengths = Sequence[int]


def operations(operator: str, inputs: Sequence[Lengths | None], outputs: Sequence[Lengths], trees: int = 0) -> float:
    """Floating-point operations: two for a multiplication with its addition, one per element elsewhere, none for moving."""
    if operator in FREE or operator in MOVES or not outputs:
        return 0.0
    elements = float(prod(outputs[0]))
    if operator in PRODUCTS and inputs[0]:
        return 2.0 * elements * inputs[0][-1]
    if operator.startswith("TreeEnsemble"):
        return float(outputs[0][0] if outputs[0] else 1) * max(trees, 1) * TREE_STEPS
    return float(max(elements, *(prod(one) for one in inputs if one is not None))) if any(one is not None for one in inputs) else elements


def cost_ns(operator: str, inputs: Sequence[Lengths | None], outputs: Sequence[Lengths], trees: int = 0, prices: Prices = PRICES) -> float:
    """What a step costs, by the prices."""
    if operator in FREE or not outputs:
        return 0.0
    elements = float(prod(outputs[0]))
    if operator in PRODUCTS:
        return operations(operator, inputs, outputs) / 2 * prices.multiply_ns
    if operator.startswith("TreeEnsemble"):
        return operations(operator, inputs, outputs, trees) * prices.costly_ns
    if operator in COSTLY:
        return elements * prices.costly_ns
    return max(elements, operations(operator, inputs, outputs)) * prices.move_ns


def node_operations(node: Node, count: int) -> float:
    """Of a node of the folded graph, for `count` candidates."""
    if node.operator == TERMS:
        return _additions(node) * float(volume(node.outputs[0].shape, count))
    return operations(node.operator, *_lengths(node, count), trees_of(node))


def node_cost_ns(node: Node, count: int) -> float:
    """The same in nanoseconds."""
    if node.operator == TERMS:
        return node_operations(node, count) * PRICES.move_ns
    return cost_ns(node.operator, *_lengths(node, count), trees_of(node))


def _additions(node: Node) -> int:
    """How many terms are added to the rest; a product takes what is added to it along."""
    return sum(one is not None and one.node.operator not in PRODUCTS for one in node.inputs[1:])


def _lengths(node: Node, count: int) -> tuple[list[Lengths | None], list[Lengths]]:
    inputs: list[Lengths | None] = [None if one is None else [size.at(count) for size in one.shape] for one in node.inputs]
    return inputs, [[size.at(count) for size in one.shape] for one in node.outputs if one.dtype]


def trees_of(node: Node) -> int:
    """How many trees an ensemble has."""
    return len(np.unique(node.attribute("nodes_treeids", [0]))) if node.operator.startswith("TreeEnsemble") else 0
