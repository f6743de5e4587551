"""Measures a ranker's first layer split beside folded (docs/adr/0007), and fits the two prices by which a build chooses (ranking/fold.py).

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

from domain.columns import ColumnKind, ColumnSpec
from ranking.bound import ColumnRef
from ranking.fold import folding_pays, write_folded
from ranking.graph_editor import GraphEditor
from ranking.plan import BoundColumn
from ranking.resolve import CREATOR, REQUEST, SIMILARITY, Piece
from ranking.session import session_options
from ranking.split import Layer, SplitInput

CANDIDATE_COUNT = 500
REQUEST_WIDTH = 80
SHAPES = ((8, 64), (16, 64), (32, 64), (96, 64), (8, 256), (16, 256), (32, 256), (64, 256), (96, 256), (192, 256), (64, 1024), (192, 1024))


def split_input(creator_width: int, layer_width: int, rng: np.random.Generator) -> SplitInput:
    """An input of a request, a creator and a similarity, in front of one layer."""
    widths = {REQUEST: REQUEST_WIDTH, CREATOR: creator_width, SIMILARITY: 1}
    text = {REQUEST: "user.x", CREATOR: "creator.x", SIMILARITY: "retrieval.similarity"}
    pieces = tuple(Piece(o, (BoundColumn(ColumnRef.parse(text[o]), ColumnSpec("x", ColumnKind.VECTOR, "float32", w), w),)) for o, w in widths.items())
    weight = rng.standard_normal((sum(widths.values()), layer_width), np.float32)
    return SplitInput(pieces, (Layer(weight, rng.standard_normal(layer_width, np.float32), "y", frozenset(("y",))),))


def session(split: SplitInput, folded: bool, table_width: int) -> ort.InferenceSession:
    """Gather and layer, and a Relu for the runtime to fuse."""
    graph = GraphEditor("g")
    gathered = graph.add("Gather", ["table", "rows"], axis=0)
    if folded:
        write_folded(split, graph, "request", [gathered], ["similarities"])
    else:
        split.write_layers(graph, "request", graph.add("Concat", [gathered, "similarities"], axis=1))
    graph.add("ReduceMax", [graph.add("Relu", ["y"])], "score", axes=[1])
    floats: dict[str, list[str | int | None]] = {"table": ["creators", table_width], "request": [1, REQUEST_WIDTH], "similarities": ["n", 1]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in floats.items()]
    inputs.append(helper.make_tensor_value_info("rows", TensorProto.INT64, ["n"]))
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)]
    made = helper.make_graph(graph.nodes, "first layer", inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])


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
        split = split_input(creator_width, layer_width, rng)
        widths = (creator_width, layer_width)
        contestants = [(session(split, bool(i), width), table(arguments.creators, width, rng)) for i, width in enumerate(widths)]
        split_us, folded_us = medians_us(contestants, arguments.creators, arguments.rounds, rng)
        print(f"|{creator_width}|{layer_width}|{split_us:.0f}|{folded_us:.0f}|{'yes' if folding_pays(*widths) else 'no'}|", flush=True)
        saved_ns.append(1000 * (split_us - folded_us) / CANDIDATE_COUNT)
        terms.append((creator_width * layer_width, creator_width - layer_width))
    multiply_ns, gather_ns = np.linalg.lstsq(np.array(terms, float), np.array(saved_ns), rcond=None)[0]
    print(f"fitted: {multiply_ns:.4f} ns per multiplication, {gather_ns:.3f} ns per gathered element")


if __name__ == "__main__":
    main()
