"""First layers are split into what the request and what the candidates decide, and folded where that pays: the same scores, or served whole."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.unit.ranking.first_layers import ALL, HIDDEN, KINDS, NARROW, OF_REQUEST, USER, compiled, largest_of, network, operators, optimized
from tests.unit.ranking.ranking_world import make_candidates, make_user, model_of, value


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
    hidden=st.sampled_from([HIDDEN, NARROW, 1]),
    count=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_a_split_or_folded_model_scores_as_exported_whatever_the_order_of_its_columns(columns, kinds, dtype, hidden, count, seed):
    with TemporaryDirectory() as folder:
        split = compiled(Path(folder), network(kinds, columns, seed, dtype, hidden=hidden), columns)
        candidates = make_candidates(count, seed)
        scores = split.rank(USER, candidates).scores
        shuffled = np.random.default_rng(seed).permutation(count)
        assert split.description.form in ("split", "folded")
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
    assert "FusedGemm" in optimized(split, tmp_path)
    assert "Relu" not in optimized(split, tmp_path)


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
