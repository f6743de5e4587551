"""Layers in int8: what rounding says they give, each row by itself, within the gate or not at all."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from ranking.compile import CompileOptions
from ranking.narrow_layers import find_layers, narrow
from ranking.ranges import Range
from tests.unit.ranking.first_layers import AGE, ALL, USER, WIDTHS, binding
from tests.unit.ranking.ranking_world import Compiled, compile_model, make_candidates, model_of, value

DEPTH, WIDTH = 48, 64
FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


def rounded_layer(x: np.ndarray, weights: np.ndarray, bias: np.ndarray, seen: Range) -> np.ndarray:
    """The same by hand: 8 bits for x, 7 for the columns of the weights."""
    scale, zero = seen.as_bytes()
    stored = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    scales = np.abs(weights).max(axis=0) / np.float32(63)
    return (stored * scale) @ (np.rint(weights / scales) * scales) + bias


def one_layer(kind: str) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """y = relu(x) W + b, as exporters write it, then twice that."""
    rng = np.random.default_rng(7)
    weights, bias = rng.normal(size=(DEPTH, WIDTH)).astype(np.float32), rng.normal(size=WIDTH).astype(np.float32)
    product = {
        "gemm": [helper.make_node("Gemm", ["r", "w", "b"], ["y"])],
        "gemm transposed": [helper.make_node("Gemm", ["r", "wt", "b"], ["y"], transB=1)],
        "gemm of half": [helper.make_node("Gemm", ["r", "w2", "b"], ["y"], alpha=0.5)],
        "gemm and rows": [helper.make_node("Gemm", ["r", "w", "rows"], ["y"])],
        "matmul": [helper.make_node("MatMul", ["r", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])],
    }[kind]
    nodes = [helper.make_node("Relu", ["x"], ["r"]), *product, helper.make_node("Add", ["y", "y"], ["z"])]
    constants = {"w": weights, "wt": np.ascontiguousarray(weights.T), "w2": weights * 2, "b": bias}
    read = {name for node in nodes for name in node.input}
    inputs = [value("x", "float32", ["n", DEPTH]), *([value("rows", "float32", ["n", WIDTH])] if "rows" in read else [])]
    model = model_of(nodes, inputs, [value("z", "float32", ["n", WIDTH])], {n: a for n, a in constants.items() if n in read})
    return model, weights, bias


@pytest.mark.parametrize("kind", ["gemm", "gemm transposed", "gemm of half", "gemm and rows", "matmul"])
def test_a_narrow_layer_gives_what_rounding_says(kind: str) -> None:
    model, weights, bias = one_layer(kind)
    x = np.random.default_rng(8).normal(size=(20, DEPTH)).astype(np.float32)
    seen = Range(0.0, 2.0, per_candidate=True)  # some are beyond it
    layers = find_layers(model, Path())
    narrowed = narrow(model, layers, {"r": seen}, "narrow")
    assert "Relu" not in {node.op_type for node in narrowed.graph.node}, "rounding from zero on does the same"
    session = ort.InferenceSession(narrowed.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {"x": x} | ({"rows": np.tile(bias, (20, 1))} if kind == "gemm and rows" else {})
    wanted = 2 * rounded_layer(np.maximum(x, 0), weights, bias, seen)
    np.testing.assert_allclose(session.run(["z"], feeds)[0], wanted, rtol=1e-4, atol=1e-4)


def test_an_activation_that_somebody_else_reads_stays() -> None:
    model, _, _ = one_layer("gemm")
    model.graph.output.append(value("r", "float32", ["n", DEPTH]))
    narrowed = narrow(model, find_layers(model, Path()), {"r": Range(0.0, 2.0, per_candidate=True)}, "narrow")
    assert "Relu" in {node.op_type for node in narrowed.graph.node}


def test_small_layers_and_products_of_two_inputs_stay_wide() -> None:
    nodes = [helper.make_node("MatMul", ["x", "small"], ["a"]), helper.make_node("MatMul", ["x", "q"], ["b"])]
    inputs = [value("x", "float32", ["n", 200]), value("q", "float32", [200, 200])]
    model = model_of(nodes, inputs, [value("a", "float32", ["n", 2])], {"small": np.ones((200, 2), np.float32)})
    assert find_layers(model, Path()) == []


@given(low=FLOATS, high=FLOATS, share=st.floats(0, 1))
def test_what_was_seen_is_stored_within_half_a_step(low: float, high: float, share: float) -> None:
    seen = Range(0.0, 0.0, per_candidate=True).with_values(min(low, high), max(low, high), per_candidate=True)
    scale, zero = seen.as_bytes()
    x = seen.lowest + share * (seen.highest - seen.lowest)
    stored = np.clip(np.rint(x / scale) + zero, 0, 255)
    assert abs((stored - zero) * float(scale) - x) <= 1.01 * float(scale)  # half for the value, half for the zero point
    assert (0 - zero) * float(scale) <= 0 <= (255 - zero) * float(scale), "zero is exact: what is absent stays absent"


def deep(outlier: float = 0.0) -> onnx.ModelProto:
    """Two hidden layers. outlier: a hidden number of this size, which the layer behind does not read."""
    rng = np.random.default_rng(1)
    width = sum(WIDTHS[c] for c in ALL)
    sizes = [(width, DEPTH), (DEPTH, WIDTH), (WIDTH, 1)]
    constants = {f"w{i}": (rng.normal(size=size) / np.sqrt(size[0])).astype(np.float32) for i, size in enumerate(sizes)}
    constants |= {f"b{i}": rng.normal(size=size[1]).astype(np.float32) for i, size in enumerate(sizes)}
    constants["b0"][0] += np.float32(outlier)
    constants["w1"][0] *= np.float32(outlier == 0)
    nodes = []
    for i, source in enumerate(("x", "r0", "r1")):
        nodes.append(helper.make_node("Gemm", [source, f"w{i}", f"b{i}"], [f"y{i}"]))
        nodes.append(helper.make_node("Relu" if i < 2 else "Identity", [f"y{i}"], [f"r{i}" if i < 2 else "score"]))
    return model_of(nodes, [value("x", "float32", ["n", width])], [value("score", "float32", ["n", 1])], constants)


def built(folder: Path, model: onnx.ModelProto) -> Compiled:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return compile_model(folder, path, binding(ALL), AGE, options=CompileOptions(narrows=True))


def test_a_build_narrows_layers_and_says_so(tmp_path: Path) -> None:
    made = built(tmp_path, deep())
    report = json.loads((made.directory / "report.json").read_text())
    operators = [node.op_type for node in onnx.load(made.directory / "served.onnx").graph.node]
    assert made.description.form == "narrowed"
    assert report["narrowed_layers"] == [{"depth": DEPTH, "width": WIDTH}]
    assert operators.count("MatMulIntegerToFloat") == 1
    assert 0.999 <= report["proof"]["mean_ndcg"] <= 1
    candidates = make_candidates(200)
    scores, wanted = made.rank(USER, candidates).scores, made.reference(USER, candidates)
    assert 0 < np.abs(scores - wanted).max() < 0.1 * np.ptp(wanted)


def test_a_creator_has_the_same_score_whoever_else_is_a_candidate(tmp_path: Path) -> None:
    made = built(tmp_path, deep())
    candidates = make_candidates(200)
    together = made.rank(USER, candidates).scores
    alone = [made.rank(USER, candidates.take(slice(place, place + 1))).scores[0] for place in range(30)]
    np.testing.assert_allclose(alone, together[:30], rtol=0, atol=0.02 * np.ptp(together))  # a float's rounding may fall on another step


def test_layers_whose_range_one_number_spoils_stay_wide(tmp_path: Path) -> None:
    made = built(tmp_path, deep(outlier=1e4))
    notes = json.loads((made.directory / "report.json").read_text())["notes"]
    operators = {node.op_type for node in onnx.load(made.directory / "served.onnx").graph.node}
    assert "MatMulIntegerToFloat" not in operators
    assert any(note.startswith("narrowed layers: ") for note in notes)
    candidates = make_candidates(50)
    np.testing.assert_allclose(made.rank(USER, candidates).scores, made.reference(USER, candidates), atol=2e-2)
