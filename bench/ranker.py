"""The ranker of the benchmark: a seeded, untrained 177-256-128-1 network as ONNX."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTHS = (177, 256, 128, 1)
OPSET = 17
IR_VERSION = 9  # both pinned: onnx writes newer ones by default than some runtimes read


def write_ranker(path: Path, rng: np.random.Generator) -> None:
    """Write the network: input `features` float32 [n, 177], output `score` float32 [n, 1], ReLU between the layers, n free."""
    nodes, weights, value = [], [], "features"
    for layer, (width_in, width_out) in enumerate(pairwise(WIDTHS)):
        last = layer == len(WIDTHS) - 2
        linear = "score" if last else f"linear{layer}"
        weights += _layer(layer, width_in, width_out, rng)
        nodes.append(helper.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], [linear]))
        if not last:
            value = f"hidden{layer}"
            nodes.append(helper.make_node("Relu", [linear], [value]))
    graph = helper.make_graph(
        nodes,
        "ranker",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", WIDTHS[0]])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _layer(layer: int, width_in: int, width_out: int, rng: np.random.Generator) -> list[onnx.TensorProto]:
    weight = rng.standard_normal((width_in, width_out), np.float32) * np.float32((2.0 / width_in) ** 0.5)
    bias = np.float32(0.1) * rng.standard_normal(width_out, np.float32)
    return [numpy_helper.from_array(weight, f"w{layer}"), numpy_helper.from_array(bias, f"b{layer}")]
