"""Collects the nodes and constants that are put around a model's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from domain.arrays import AnyArray


@dataclass
class GraphEditor:
    """Collects nodes and constants under one prefix."""

    prefix: str
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        name = f"{self.prefix}/node/{len(self.nodes)}"
        output = output or f"{name}/{operator}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def split(self, name: str, widths: list[int], axis: int, as_input: bool) -> list[str]:
        """Append a Split; returns its outputs. as_input: whether this opset takes the widths as an input."""
        node = f"{self.prefix}/node/{len(self.nodes)}"
        outputs = [f"{node}/Split/{place}" for place in range(len(widths))]
        if as_input:
            self.nodes.append(helper.make_node("Split", [name, self.constant(widths, "int64")], outputs, name=node, axis=axis))
        else:
            self.nodes.append(helper.make_node("Split", [name], outputs, name=node, axis=axis, split=widths))
        return outputs

    def drop_unread(self, output: str) -> None:
        """Take out the node that makes `output` alone, if no other node reads that. The runtime would run it all the same."""
        if not any(output in node.input for node in self.nodes):
            self.nodes = [node for node in self.nodes if list(node.output) != [output]]

    def constant(self, values: object, dtype: str) -> str:
        """The name of a small constant tensor; equal ones are stored once."""
        array = np.array(values, dtype)
        name = f"{self.prefix}/constant/{dtype}:{array.tolist()}"
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def weights(self, array: AnyArray) -> str:
        """The name of a constant tensor of any size."""
        name = f"{self.prefix}/weights/{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name)
        return name

    def copied(self, tensor: TensorProto) -> str:
        """The name of a copy of a model's own constant, whose values may lie beside the model."""
        name = f"{self.prefix}/own/{tensor.name}"
        if name not in self.constants:
            copy = TensorProto()
            copy.CopyFrom(tensor)
            copy.name = name
            self.constants[name] = copy
        return name


def free_prefix(model: ModelProto) -> str:
    """A prefix that no name of the model begins with."""
    graph = model.graph
    names = {n for node in graph.node for n in (node.name, *node.input, *node.output)}
    names |= {v.name for v in graph.input} | {t.name for t in graph.initializer}
    prefix, number = "earshot", 0
    while any(n.startswith(prefix) for n in names):
        number += 1
        prefix = f"earshot{number}"
    return prefix
