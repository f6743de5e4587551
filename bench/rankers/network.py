"""Writes a network node by node: a few operators by name, and weights drawn from a seed as initialisers draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from bench.rankers.shape import Input
from domain.arrays import AnyArray

OPSET = 17
IR_VERSION = 9  # both pinned: onnx writes newer ones by default than some runtimes read
ML_OPSET = 3  # of ai.onnx.ml, in models of trees


class Network:
    """A model in the making. Methods that add something return the name of what it computes; `output` names it, else it gets a name of its own."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._layer_count = 0
        self._domains = {"": OPSET}

    def add(self, operator: str, values: Sequence[str], output: str = "", *, domain: str = "", **attributes: Any) -> str:
        """One node with one output."""
        name = output or f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(values), [name], domain=domain, **attributes))
        if domain:
            self._domains[domain] = ML_OPSET
        return name

    def constant(self, values: AnyArray | np.generic | Sequence[int], name: str = "") -> str:
        """An initializer; lists of integers are int64."""
        name = name or f"constant{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def normal(self, *shape: int, scale: float = 1.0) -> str:
        """An initializer drawn from a normal distribution."""
        return self.constant(self.rng.standard_normal(shape, np.float32) * np.float32(scale))

    def linear(self, value: str, width_in: int, width_out: int, output: str = "") -> str:
        """value [n, width_in] times weights, plus a bias."""
        place = self._layer_count
        self._layer_count += 1
        weight = self.rng.standard_normal((width_in, width_out), np.float32) * np.float32((2.0 / width_in) ** 0.5)
        bias = np.float32(0.1) * self.rng.standard_normal(width_out, np.float32)
        return self.add("Gemm", [value, self.constant(weight, f"w{place}"), self.constant(bias, f"b{place}")], output)

    def mlp(self, value: str, widths: Sequence[int], output: str = "") -> str:
        """Linear layers with ReLU between them, none behind the last."""
        for place, (width_in, width_out) in enumerate(pairwise(widths)):
            last = place == len(widths) - 2
            value = self.linear(value, width_in, width_out, output if last else "")
            if not last:
                value = self.add("Relu", [value])
        return value

    def concat(self, *values: str, axis: int = 1) -> str:
        """The values side by side."""
        return self.add("Concat", values, axis=axis)

    def save(self, path: Path, inputs: Sequence[Input], outputs: Mapping[str, Sequence[str | int]]) -> None:
        """Write the model. outputs: name -> shape."""
        graph = helper.make_graph(
            self._nodes,
            "ranker",
            [helper.make_tensor_value_info(one.name, _element(one.dtype), list(one.shape)) for one in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in outputs.items()],
            self._weights,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self._domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def _element(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
