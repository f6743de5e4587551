"""Measures a ranker's first layer split beside folded (docs/adr/0007), and fits the two prices by which a build chooses (ranking/folding/work.py).

    python -m bench.adr.first_layer [--creators 200000] [--rounds 200]

One thread, 500 candidates drawn anew for every run from a table that no cache holds. Timed: gather, layer, Relu, and a maximum behind them.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from domain.arrays import FloatArray
from ranking.folding.work import PRICES
from ranking.graph_editor import GraphEditor
from ranking.session import session_options

CANDIDATE_COUNT = 500
REQUEST_WIDTH = 80
SHAPES = ((8, 64), (16, 64), (32, 64), (96, 64), (8, 256), (16, 256), (32, 256), (64, 256), (96, 256), (192, 256), (64, 1024), (192, 1024))


def session(weight: FloatArray, bias: FloatArray, folded: bool, table_width: int) -> ort.InferenceSession:
    """Gather and layer, and a Relu for the runtime to fuse. weight: the request's rows, then the creator's, then the similarity's."""
    graph = GraphEditor("g")
    gathered = graph.add("Gather", ["table", "rows"], axis=0)
    row = graph.add("Gemm", ["request", graph.weights(weight[:REQUEST_WIDTH]), graph.weights(bias)])
    if folded:
        count = graph.add("Concat", [graph.add("Shape", ["rows"]), graph.constant([1], "int64")], axis=0)
        left = graph.add("Concat", ["similarities", graph.add("Expand", [graph.constant([[1]], "float32"), count])], axis=1)
        layer = graph.add("Gemm", [left, graph.add("Concat", [graph.weights(weight[-1:]), row], axis=0), gathered])
    else:
        layer = graph.add("Gemm", [graph.add("Concat", [gathered, "similarities"], axis=1), graph.weights(weight[REQUEST_WIDTH:]), row])
    graph.add("ReduceMax", [graph.add("Relu", [layer])], "score", axes=[1])
    floats: dict[str, list[str | int | None]] = {"table": ["creators", table_width], "request": [1, REQUEST_WIDTH], "similarities": ["n", 1]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in floats.items()]
    inputs.append(helper.make_tensor_value_info("rows", TensorProto.INT64, ["n"]))
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)]
    made = helper.make_graph(graph.nodes, "first layer", inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])


def folding_pays(creator_width: int, layer_width: int) -> bool:
    """What the build decides by its prices (`ranking.folding.frontier`)."""
    multiplying_ns = PRICES.multiply_ns * creator_width * layer_width
    return multiplying_ns > PRICES.gather_ns * (layer_width - creator_width)


def table(creator_count: int, width: int, rng: np.random.Generator) -> ort.OrtValue:
    """Rows to gather from."""
    return ort.OrtValue.ortvalue_from_numpy(rng.standard_normal((creator_count, width), np.float32))


def medians_us(
    contestants: list[tuple[ort.InferenceSession, ort.OrtValue]], creator_count: int, rounds: int, rng: np.random.Generator
) -> list[float]:
    """The median time of each, in turns."""
    spent = np.empty((rounds, len(contestants)))
    request = rng.standard_normal((1, REQUEST_WIDTH), np.float32)
    for one in range(rounds):
        rows = rng.choice(creator_count, CANDIDATE_COUNT, replace=False)
        similarities = rng.random((CANDIDATE_COUNT, 1), np.float32)
        for place, (run, values) in enumerate(contestants):
            feeds: dict[str, Any] = {"table": values, "rows": rows, "request": request, "similarities": similarities}
            begun = time.perf_counter()
            run.run(["score"], feeds)
            spent[one, place] = time.perf_counter() - begun
    return [float(median) for median in 1e6 * np.median(spent[rounds // 10 :], axis=0)]


def main() -> None:
    """Print the table and the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creators", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    rng = np.random.default_rng(7)
    saved_ns, terms = [], []
    print("|creator columns|layer|split us|folded us|the build folds|\n|---|---|---|---|---|")
    for creator_width, layer_width in SHAPES:
        weight = rng.standard_normal((REQUEST_WIDTH + creator_width + 1, layer_width), np.float32)
        bias = rng.standard_normal(layer_width, np.float32)
        widths = (creator_width, layer_width)
        contestants = [(session(weight, bias, bool(i), width), table(arguments.creators, width, rng)) for i, width in enumerate(widths)]
        split_us, folded_us = medians_us(contestants, arguments.creators, arguments.rounds, rng)
        print(f"|{creator_width}|{layer_width}|{split_us:.0f}|{folded_us:.0f}|{'yes' if folding_pays(*widths) else 'no'}|", flush=True)
        saved_ns.append(1000 * (split_us - folded_us) / CANDIDATE_COUNT)
        terms.append((creator_width * layer_width, creator_width - layer_width))
    multiply_ns, gather_ns = np.linalg.lstsq(np.array(terms, float), np.array(saved_ns), rcond=None)[0]
    print(f"fitted: {multiply_ns:.4f} ns per multiplication, {gather_ns:.3f} ns per gathered element")


if __name__ == "__main__":
    main()
