"""First layers are split into what the request and what the candidates decide: the same scores, or the model is served whole."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from domain.columns import ColumnKind, ColumnSpec
from ranking.session import session_options
from tests.unit.ranking.ranking_world import binding_text, compile_model, make_candidates, make_user, model_of, value

WIDTHS = {
    "user.embedding": 8,
    "user.age": 1,
    "context.hour": 1,
    "creator.embedding": 8,
    "creator.quality": 1,
    "creator.mood": 3,
    "creator.active": 1,
    "retrieval.similarity": 1,
}
OF_REQUEST = ("user.embedding", "user.age", "context.hour")
ALL = tuple(WIDTHS)
AGE = (ColumnSpec("age", ColumnKind.SCALAR, "float32"),)
USER = make_user(features={"age": np.float32(1.25)}, context={"hour": np.float32(-0.75)})
HIDDEN = 16


def layer(kind, x, y, width, rng, dtype):
    """One layer as exporters write it: its nodes and its constants."""
    weight = (rng.normal(size=(width, HIDDEN)) / np.sqrt(width)).astype(dtype)
    bias = rng.normal(size=HIDDEN).astype(dtype)
    w, b, product = f"{y}_w", f"{y}_b", f"{y}_product"
    return {
        "gemm": ([helper.make_node("Gemm", [x, w, b], [y])], {w: weight, b: bias}),
        "gemm of a row": ([helper.make_node("Gemm", [x, w, b], [y])], {w: weight, b: bias[None]}),
        "gemm transposed": ([helper.make_node("Gemm", [x, w, b], [y], transB=1)], {w: np.ascontiguousarray(weight.T), b: bias}),
        "gemm without bias": ([helper.make_node("Gemm", [x, w], [y])], {w: weight}),
        "matmul": ([helper.make_node("MatMul", [x, w], [y])], {w: weight}),
        "matmul and add": ([helper.make_node("MatMul", [x, w], [product]), helper.make_node("Add", [product, b], [y])], {w: weight, b: bias}),
        "add and matmul": ([helper.make_node("MatMul", [x, w], [product]), helper.make_node("Add", [b, product], [y])], {w: weight, b: bias}),
    }[kind]


KINDS = ("gemm", "gemm of a row", "gemm transposed", "gemm without bias", "matmul", "matmul and add", "add and matmul")


def network(kinds, columns, seed=1, dtype="float32", extra=()):
    """score = the sum over `kinds` of relu(layer(x)) . v, plus what the last of the `extra` nodes gives"""
    rng = np.random.default_rng(seed)
    width = sum(WIDTHS[c] for c in columns)
    nodes, constants = [], {}
    for i, kind in enumerate(kinds):
        own, weights = layer(kind, "x", f"y{i}", width, rng, dtype)
        v = {f"v{i}": (rng.normal(size=(HIDDEN, 1)) / np.sqrt(HIDDEN)).astype(dtype)}
        nodes += [*own, helper.make_node("Relu", [f"y{i}"], [f"z{i}"]), helper.make_node("MatMul", [f"z{i}", f"v{i}"], [f"s{i}"])]
        constants |= weights | v
    sums = [f"s{i}" for i in range(len(kinds))] + [node.output[0] for node in extra[-1:]]
    nodes += [*extra, helper.make_node("Sum", sums, ["score"])]
    return model_of(nodes, [value("x", dtype, ["n", width])], [value("score", dtype, ["n", 1])], constants)


def largest_of(name):
    return helper.make_node("ReduceMax", [name], ["largest"], axes=[1], keepdims=1)


def binding(columns):
    return binding_text(", ".join(f'"{c}"' for c in columns))


def compiled(folder, model, columns=ALL):
    return compile_model(folder, model, binding(columns), AGE)


def operators(compiled_ranker):
    return [node.op_type for node in onnx.load(compiled_ranker.directory / "served.onnx").graph.node]


@st.composite
def mixed_columns(draw):
    """Columns of both sides in any order."""
    columns = draw(st.lists(st.sampled_from(ALL), min_size=2, max_size=12))
    missing = [side[0] for side in (OF_REQUEST, ALL[len(OF_REQUEST) :]) if not set(side) & set(columns)]
    return draw(st.permutations([*columns, *missing]))


@settings(max_examples=40, deadline=None)
@given(
    columns=mixed_columns(),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
    dtype=st.sampled_from(["float32", "float64"]),
    count=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_a_split_model_scores_as_exported_whatever_the_order_of_its_columns(columns, kinds, dtype, count, seed):
    with TemporaryDirectory() as folder:
        split = compiled(Path(folder), network(kinds, columns, seed, dtype), columns)
        candidates = make_candidates(count, seed)
        scores = split.rank(USER, candidates).scores
        shuffled = np.random.default_rng(seed).permutation(count)
        assert split.description.form == "split"
        assert split.agrees(USER, candidates)
        assert np.allclose(split.rank(USER, candidates.take(shuffled)).scores, scores[shuffled], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_request_is_read_once_and_its_weights_are_stored_once(tmp_path, kind):
    split = compiled(tmp_path, network([kind], ALL))
    served = onnx.load(split.directory / "served.onnx").graph
    stored = sum(int(np.prod(t.dims)) for t in served.initializer if t.data_type == TensorProto.FLOAT)
    (request,) = split.description.requests
    assert split.rank(USER, make_candidates(5)).form == "split"
    assert [c.ref.text for c in request.columns] == list(OF_REQUEST)
    assert not {"Expand", "Add"} & set(operators(split))
    assert stored <= 24 * HIDDEN + HIDDEN + HIDDEN, "weights, bias and the last layer"


@pytest.mark.parametrize("kind", KINDS)
def test_the_runtime_joins_a_split_layer_with_the_activation_behind_it(tmp_path, kind):
    split = compiled(tmp_path, network([kind], ALL))
    options = session_options()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(split.directory / "served.onnx"), options, providers=["CPUExecutionProvider"])
    optimized = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert "FusedGemm" in optimized
    assert "Relu" not in optimized


def test_weights_beside_the_model_are_split_as_well(tmp_path):
    path = tmp_path / "brought.onnx"
    onnx.save(network(["gemm transposed"], ALL), path, save_as_external_data=True, location="brought.data", size_threshold=0)
    split = compiled(tmp_path, path)
    served = onnx.load(split.directory / "served.onnx", load_external_data=False)
    assert split.description.form == "split"
    assert split.agrees(USER, make_candidates(40))
    assert [t.name for t in served.graph.initializer if t.data_location == TensorProto.EXTERNAL] == ["v0"]


def test_a_product_that_something_else_reads_too_keeps_its_name(tmp_path):
    split = compiled(tmp_path, network(["matmul and add"], ALL, extra=[largest_of("y0_product")]))
    assert split.description.form == "split"
    assert split.agrees(USER, make_candidates(40))


def test_where_large_terms_cancel_the_model_is_served_whole(tmp_path):
    """score = h0 - h1, where each holds the same 100 of the request: the order of the sum shows in the result."""
    rng = np.random.default_rng(2)
    columns = ("context.hour", "user.embedding", "creator.embedding")
    weight = rng.normal(size=(17, 2)).astype(np.float32)
    weight[0] = 200.0
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["score"])]
    constants = {"w": weight, "b": np.float32([0.1, 0.2]), "v": np.float32([[1], [-1]])}
    model = model_of(nodes, [value("x", "float32", ["n", 17])], [value("score", "float32", ["n", 1])], constants)
    whole = compiled(tmp_path, model, columns)
    assert whole.description.form == whole.rank(USER, make_candidates(5)).form == "whole"
    assert whole.agrees(make_user(context={"hour": np.float32(0.5)}), make_candidates(100))


def gemm(**attributes):
    """A model whose only layer has these attributes."""
    model = network(["gemm"], ALL)
    model.graph.node[0].CopyFrom(helper.make_node("Gemm", ["x", "y0_w", "y0_b"], ["y0"], **attributes))
    return model


def with_computed_weight():
    model = network(["matmul"], ALL)
    model.graph.node[0].input[1] = "computed"
    model.graph.node.insert(0, helper.make_node("Abs", ["y0_w"], ["computed"]))
    return model


NOT_SPLIT = {
    "another operator reads the input": (network(["gemm"], ALL, extra=[largest_of("x")]), ALL),
    "an operator stands in front of the layer": (network([], ALL, extra=[helper.make_node("Tanh", ["x"], ["t"]), largest_of("t")]), ALL),
    "the product is scaled": (gemm(alpha=0.5), ALL),
    "the bias is scaled": (gemm(beta=0.5), ALL),
    "the weight is computed": (with_computed_weight(), ALL),
    "everything is of the candidates": (network(["gemm"], ALL[3:]), ALL[3:]),
    "everything is of the request": (network(["gemm"], ALL[:3]), ALL[:3]),
}


@pytest.mark.parametrize("why", NOT_SPLIT)
def test_a_model_is_served_whole_where(tmp_path, why):
    model, columns = NOT_SPLIT[why]
    whole = compiled(tmp_path, model, columns)
    assert whole.description.form == "whole"
    assert whole.agrees(USER, make_candidates(40))
