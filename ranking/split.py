"""Splits a model's first layers into what the request decides and what the candidates decide.

A row x of a candidate input is made of blocks: r (user and context, the same for all candidates) and c (creator, similarity). A first layer is
linear,

    y = x W + b = c W_c + (r W_r + b)

where W_r and W_c are the rows of W that belong to each block, wherever its columns stand in x. The bracket is one row [1, N] per request; r is
neither repeated nor multiplied for each candidate. The sum is made in another order, so scores differ by rounding. The build proves that it is no
more than that (`ranking.prove`), and serves the model whole where it is: large terms that cancel each other make much of rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper

from domain.arrays import AnyArray
from ranking.external_data import read_constant
from ranking.graph_editor import GraphEditor
from ranking.plan import BoundColumn
from ranking.resolve import CREATOR, REQUEST, SIMILARITY, InputPlan, Piece


@dataclass(frozen=True, slots=True)
class Layer:
    """A first layer, y = x W + b. weight: [width, N]; bias: what broadcasts to [1, N], None for none; output: the name of y.

    replaces: the model's tensors that are not needed when y is there, by name; y itself is among them.
    """

    weight: AnyArray
    bias: AnyArray | None
    output: str
    replaces: frozenset[str]


@dataclass(frozen=True, slots=True)
class SplitInput:
    """An input that is fed in blocks. pieces: all of it, in the input's order. folded: its creators' part comes from tables (`ranking.fold`)."""

    pieces: tuple[Piece, ...]
    layers: tuple[Layer, ...]
    folded: bool = False

    @property
    def request(self) -> tuple[BoundColumn, ...]:
        """The columns of the request, in the input's order."""
        return tuple(column for piece in self.of(REQUEST) for column in piece.columns)

    def of(self, *origins: str) -> tuple[Piece, ...]:
        """The pieces that come from there, in the input's order."""
        return tuple(piece for piece in self.pieces if piece.origin in origins)

    def places(self, *origins: str) -> list[int]:
        """Where the elements of those pieces stand in the input."""
        chosen = np.repeat([piece.origin in origins for piece in self.pieces], [piece.width for piece in self.pieces])
        return np.flatnonzero(chosen).tolist()

    def write_row(self, graph: GraphEditor, layer: Layer, request: str) -> str:
        """Append what makes r W_r + b [1, N] of the tensor `request` [1, r]; returns its name."""
        ours = [request, graph.weights(layer.weight[self.places(REQUEST)])]
        return graph.add("MatMul", ours) if layer.bias is None else graph.add("Gemm", [*ours, graph.weights(layer.bias)])

    def write_layers(self, graph: GraphEditor, request: str, candidates: str) -> None:
        """Append the nodes that make every layer's y of the tensors `request` [1, r] and `candidates` [n, c]."""
        for layer in self.layers:
            row = self.write_row(graph, layer, request)
            theirs = graph.weights(layer.weight[self.places(CREATOR, SIMILARITY)])
            graph.add("Gemm", [candidates, theirs, row], layer.output)  # the runtime fuses it with an activation behind it


def split_inputs(model: ModelProto, inputs: Sequence[InputPlan], directory: Path) -> Mapping[str, SplitInput]:
    """The inputs that can be fed in blocks, by name. directory: where the model's external data lies."""
    finder = _LayerFinder(model, directory)
    found = ((one, finder.layers(one.name)) for one in inputs if _is_mixed(one))
    return {one.name: SplitInput(one.pieces, layers) for one, layers in found if layers}


def _is_mixed(one: InputPlan) -> bool:
    """Whether it is a matrix of floats with columns of the request and columns of the candidates."""
    matrix = one.per == "candidate" and len(one.shape) == 2 and one.dtype in ("float32", "float64")
    return matrix and {piece.origin == REQUEST for piece in one.pieces} == {True, False}


class _LayerFinder:
    """Finds the layers that read an input of the model."""

    def __init__(self, model: ModelProto, directory: Path) -> None:
        self._nodes = model.graph.node
        self._outputs = {value.name for value in model.graph.output}
        self._constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        self._directory = directory

    def layers(self, name: str) -> tuple[Layer, ...]:
        """The layers that read the input `name`; none unless every node that reads it is such a layer, with constant weights."""
        if name in self._outputs:
            return ()
        found = [self._layer(node, name) for node in self._readers(name)]
        layers = tuple(layer for layer in found if layer is not None)
        return layers if len(layers) == len(found) else ()

    def _readers(self, name: str) -> Iterator[NodeProto]:
        return (node for node in self._nodes if name in node.input)

    def _layer(self, node: NodeProto, name: str) -> Layer | None:
        if node.op_type not in ("Gemm", "MatMul") or name in node.input[1:]:
            return None
        weight = self._constant(node.input[1])
        if weight is None or weight.ndim != 2:
            return None
        return self._gemm(node, weight) if node.op_type == "Gemm" else self._product(node, weight)

    def _gemm(self, node: NodeProto, weight: AnyArray) -> Layer | None:
        settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if settings["alpha"] != 1 or settings["transA"]:
            return None
        weight = weight.T if settings["transB"] else weight
        output = node.output[0]
        if len(node.input) < 3 or not node.input[2]:
            return Layer(weight, None, output, frozenset((output,)))
        bias = self._bias(node.input[2], weight)
        return None if bias is None or settings["beta"] != 1 else Layer(weight, bias, output, frozenset((output,)))

    def _product(self, node: NodeProto, weight: AnyArray) -> Layer:
        """x W, and + b where nothing but the addition of a constant reads it: the runtime would join the two, so they stay together."""
        product = node.output[0]
        readers = list(self._readers(product))
        if len(readers) == 1 and readers[0].op_type == "Add" and product not in self._outputs:
            sums, addends = readers[0].output[0], [name for name in readers[0].input if name != product]
            bias = self._bias(addends[0], weight) if addends else None
            if bias is not None:
                return Layer(weight, bias, sums, frozenset((product, sums)))
        return Layer(weight, None, product, frozenset((product,)))

    def _bias(self, name: str, weight: AnyArray) -> AnyArray | None:
        """The constant `name` where it is one row for all candidates, or None."""
        bias = self._constant(name)
        row = (1, weight.shape[1])
        return bias if bias is not None and bias.ndim <= 2 and np.broadcast_shapes(bias.shape, row) == row else None

    def _constant(self, name: str) -> AnyArray | None:
        return read_constant(self._constants[name], self._directory) if name in self._constants else None
