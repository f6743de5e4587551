"""Writes dense layers of a served graph with int8 weights and 8-bit activations: several times the products per instruction on CPUs with VNNI.

Scales are constants. Scales that are found per call (dynamic quantisation) are those of all rows of the call, so that a creator's score would depend
on who else is a candidate, which the row law forbids. The largest values that a layer's input took on sampled requests are kept; beyond them it
saturates. Weights have 7 bits: with 8, kernels of CPUs without VNNI add pairs of products in 16 bits and saturate, and the same bundle would score
differently on another machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from domain.arrays import FloatArray
from ranking.graph_editor import GraphEditor
from ranking.ranges import Range

LEAST_WEIGHTS = 2_048
"""Of a layer that is narrowed: about where the products saved pay for rounding its input."""

WEIGHT_LIMIT = 63
"""255 * 63 * 2 fits into 16 bits with a sign."""

RUNTIME_DOMAIN = "com.microsoft"
"""Of the product that scales its result and adds a bias in the same pass. In graphs that the build writes, never in exported ones."""


@dataclass(frozen=True)
class Layer:
    """A dense layer that can be narrowed. node: Gemm or MatMul; weights: float32 [depth, width]; bias: [width] or None; rest: what else is added."""

    node: NodeProto
    weights: FloatArray
    bias: FloatArray | None
    rest: str

    @property
    def input(self) -> str:
        """The tensor whose rows are multiplied."""
        return str(self.node.input[0])

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        depth, width = self.weights.shape
        return {"depth": depth, "width": width}


def find_layers(model: ModelProto, directory: Path) -> list[Layer]:
    """Products of something with constant matrices, large enough to be worth it. directory: where weights beside the model lie."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found = (_layer(node, constants, directory) for node in model.graph.node if node.op_type in ("Gemm", "MatMul") and not node.domain)
    return [layer for layer in found if layer is not None and layer.weights.size >= LEAST_WEIGHTS]


def narrow(model: ModelProto, layers: Sequence[Layer], ranges: Mapping[str, Range], prefix: str) -> ModelProto:
    """A copy of the model with these layers narrowed. ranges: of the layers' inputs. prefix: of names that the model does not have."""
    editor = GraphEditor(prefix)
    skipped = _foldable_activations(model, layers)
    by_name = {layer.node.output[0]: layer for layer in layers}
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        layer = by_name.get(node.output[0])
        if layer is None:
            nodes.append(node)
        else:
            written = len(editor.nodes)
            _write(editor, layer, skipped.get(layer.input, layer.input), ranges[layer.input])
            nodes += editor.nodes[written:]
    narrowed = ModelProto()
    narrowed.CopyFrom(model)
    del narrowed.graph.node[:]
    narrowed.graph.node.extend(node for node in nodes if node.output[0] not in skipped)
    read = {name for node in narrowed.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del narrowed.graph.initializer[:]
    narrowed.graph.initializer.extend([*kept, *editor.constants.values()])
    narrowed.opset_import.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))
    return narrowed


def _layer(node: NodeProto, constants: Mapping[str, TensorProto], directory: Path) -> Layer | None:
    settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | {a.name: helper.get_attribute_value(a) for a in node.attribute}
    stored = constants.get(node.input[1])
    if stored is None or stored.data_type != TensorProto.FLOAT or len(stored.dims) != 2 or settings["transA"]:
        return None
    weights = numpy_helper.to_array(stored, str(directory))
    weights = (weights.T if settings["transB"] else weights) * np.float32(settings["alpha"])
    added = node.input[2] if len(node.input) > 2 else ""
    if added and settings["beta"] != 1:
        return None
    bias = constants.get(added)
    if bias is None:
        return Layer(node, weights, None, added)
    values = numpy_helper.to_array(bias, str(directory))
    return Layer(node, weights, np.broadcast_to(values, (1, weights.shape[1]))[0], "")


def _foldable_activations(model: ModelProto, layers: Sequence[Layer]) -> dict[str, str]:
    """Output -> input of each Relu that nothing but one narrowed layer reads: rounding to numbers from zero on does the same."""
    readers = Counter(name for node in model.graph.node for name in node.input)
    readers.update(value.name for value in model.graph.output)
    wanted = {layer.input for layer in layers}
    return {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "Relu" and node.output[0] in wanted and readers[node.output[0]] == 1
    }


def _write(editor: GraphEditor, layer: Layer, source: str, seen: Range) -> None:
    """The layer's output = (source in 8 bits) times (weights in 7), scaled, plus bias, plus the rest."""
    scale, zero = seen.as_bytes()
    sizes = np.abs(layer.weights).max(axis=0) / WEIGHT_LIMIT
    scales = np.where(sizes > 0, sizes, 1).astype(np.float32)
    narrow_weights = np.rint(layer.weights / scales).astype(np.int8)
    unit, origin = editor.constant(scale, "float32"), editor.constant(zero, "uint8")
    rounded = editor.add("QuantizeLinear", [source, unit, origin])
    inputs = [rounded, editor.weights(narrow_weights), unit, editor.weights(scales), origin, editor.weights(np.zeros(len(scales), np.int8))]
    if layer.bias is not None:
        inputs.append(editor.weights(layer.bias))
    output = "" if layer.rest else layer.node.output[0]
    product = editor.add("MatMulIntegerToFloat", inputs, output, domain=RUNTIME_DOMAIN)
    if layer.rest:
        editor.add("Add", [product, layer.rest], layer.node.output[0])
