"""What depends on creators alone comes from tables, what depends on the request alone is computed once: the same scores, or another form."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ranking.agree import Agreement
from ranking.compile import CompileOptions
from ranking.creator_part import CreatorPart
from ranking.folding.colour import Colour
from ranking.folding.frontier import choose
from ranking.folding.graph import LEAF, Graph
from ranking.folding.size import ROWS, Size
from ranking.open import open_ranker
from ranking.plan import CreatorPartPlan, RequestInput, TableInput
from tests.unit.ranking.first_layers import (
    AGE,
    ALL,
    HIDDEN,
    KINDS,
    NARROW,
    OF_REQUEST,
    USER,
    WIDTHS,
    binding,
    compiled,
    largest_of,
    network,
    optimized,
)
from tests.unit.ranking.ranking_world import MODELS, compile_model, make_candidates, make_creators, make_user, model_of, value
from tests.unit.ranking.zoo import USER_COLUMNS, ZOO


def report_of(ranker):
    return json.loads((ranker.directory / "report.json").read_text())


def columns_read(ranker):
    """How many columns of creators are gathered as they are."""
    return sum("columns that candidates need" in table["why"] for table in report_of(ranker)["tables"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_folded_layer_reads_one_table_with_its_product_and_no_column_of_creators(tmp_path, kind):
    folded = compiled(tmp_path, network([kind], ALL, hidden=NARROW))
    (table,) = folded.description.tables
    assert folded.rank(USER, make_candidates(5)).form == folded.description.form == "folded"
    assert table.shape == (len(folded.creators), NARROW)
    assert folded.agrees(USER, make_candidates(60))


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_layer_reads_the_request_once_and_stores_its_weights_once(tmp_path, kind):
    split = compiled(tmp_path, network([kind], ALL))
    served = onnx.load(split.directory / "served.onnx").graph
    stored = sum(int(np.prod(t.dims)) for t in served.initializer if t.data_type == TensorProto.FLOAT)
    (request,) = split.description.requests
    assert split.rank(USER, make_candidates(5)).form == "split"
    assert [c.ref.text for c in request.columns] == list(OF_REQUEST)
    assert stored <= 24 * HIDDEN + HIDDEN + HIDDEN, "weights, bias and the last layer"
    assert split.agrees(USER, make_candidates(60))


@pytest.mark.parametrize("hidden", [NARROW, HIDDEN])
@pytest.mark.parametrize("kind", KINDS)
def test_the_runtime_joins_a_first_layer_with_the_activation_behind_it(tmp_path, kind, hidden):
    made = compiled(tmp_path, network([kind], ALL, hidden=hidden))
    assert "FusedGemm" in optimized(made, tmp_path)
    assert "Relu" not in optimized(made, tmp_path)


def test_narrow_layers_behind_one_input_share_a_table(tmp_path):
    folded = compiled(tmp_path, network(["gemm", "matmul"], ALL, hidden=6))
    assert [t.shape[1] for t in folded.description.tables] == [12]
    assert folded.agrees(USER, make_candidates(60))


def test_a_folded_layer_that_reads_no_similarity_adds_two_rows(tmp_path):
    columns = ("creator.mood", "user.embedding", "creator.embedding")
    folded = compiled(tmp_path, network(["gemm"], columns, hidden=NARROW), columns)
    assert folded.description.form == "folded"
    assert not folded.description.reads_similarity
    assert folded.agrees(USER, make_candidates(60))


def test_weights_beside_the_model_are_read_where_they_are_taken_apart_and_left_where_they_are_not(tmp_path):
    path = tmp_path / "brought.onnx"
    onnx.save(network(["gemm transposed"], ALL), path, save_as_external_data=True, location="brought.data", size_threshold=0)
    split = compiled(tmp_path, path)
    served = onnx.load(split.directory / "served.onnx", load_external_data=False)
    assert split.description.form == "split"
    assert split.agrees(USER, make_candidates(40))
    (left,) = [t for t in served.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    assert left.name.endswith("/v0")


def gemm(**attributes):
    """A model whose only layer has these attributes."""
    model = network(["gemm"], ALL, hidden=NARROW)
    model.graph.node[0].CopyFrom(helper.make_node("Gemm", ["x", "y0_w", "y0_b"], ["y0"], **attributes))
    return model


def with_computed_weight():
    model = network(["matmul"], ALL, hidden=NARROW)
    model.graph.node[0].input[1] = "computed"
    model.graph.node.insert(0, helper.make_node("Abs", ["y0_w"], ["computed"]))
    return model


IN_THE_WAY = {
    "another operator reads the input": network(["gemm"], ALL, extra=[largest_of("x")]),
    "an operator stands in front of the layer": network([], ALL, extra=[helper.make_node("Tanh", ["x"], ["t"]), largest_of("t")]),
    "something else reads the product": network(["matmul and add"], ALL, extra=[largest_of("y0_product")]),
    "the product is scaled": gemm(alpha=0.5),
    "the bias is scaled": gemm(beta=0.5),
    "the weight is computed": with_computed_weight(),
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_stands_in_the_way_of_a_layer_does_not_keep_a_model_whole(tmp_path, what):
    made = compiled(tmp_path, IN_THE_WAY[what])
    assert made.description.form in ("split", "folded")
    assert made.agrees(USER, make_candidates(40))


def test_where_large_terms_cancel_no_sum_is_taken_apart(tmp_path):
    """score = h0 - h1, where each holds the same 100 of the request: the order of the sum shows in the result."""
    rng = np.random.default_rng(2)
    columns = ("context.hour", "user.embedding", "creator.embedding")
    weight = rng.normal(size=(17, 2)).astype(np.float32)
    weight[0] = 2000.0
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["score"])]
    constants = {"w": weight, "b": np.float32([0.1, 0.2]), "v": np.float32([[1], [-1]])}
    model = model_of(nodes, [value("x", "float32", ["n", 17])], [value("score", "float32", ["n", 1])], constants)
    whole = compiled(tmp_path, model, columns)
    assert whole.description.form == whole.rank(USER, make_candidates(5)).form == "whole"
    assert report_of(whole)["notes"], "the report says why"
    assert whole.agrees(make_user(context={"hour": np.float32(0.5)}), make_candidates(100))


def test_a_product_that_overflows_is_not_served_from_a_table(tmp_path):
    """The creators' part alone is beyond float32; the request takes it back."""
    columns = ("context.hour", "creator.quality")
    weight = np.float32([[-3e38], [3e38]])
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["score"])]
    model = model_of(nodes, [value("x", "float32", ["n", 2])], [value("score", "float32", ["n", 1])], {"w": weight})
    served = compiled(tmp_path, model, columns)
    assert served.agrees(make_user(context={"hour": np.float32(0.5)}), make_candidates(50))


@pytest.fixture
def part(tmp_path):
    """A creators' part of one wide layer over the embedding."""
    width, hidden, rng = 96, 33, np.random.default_rng(3)
    weight = rng.normal(size=(width, hidden)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["t"])]
    model = model_of(nodes, [value("x", "float32", ["n", width])], [value("t", "float32", ["n", hidden])], {"w": weight})
    onnx.save(model, tmp_path / "creator.onnx")
    source = compiled(tmp_path, network(["gemm"], ALL, hidden=NARROW)).description.creator.inputs[0]
    (embedding,) = [column for column in source.columns if column.ref.text == "creator.embedding"]
    columns = (replace(embedding, width=width),)
    plan = CreatorPartPlan((RequestInput("x", "float32", (0, width), 0, columns),), ("t",))
    return CreatorPart.open(tmp_path / "creator.onnx", plan, [TableInput("t", "t.npy", "float32", (1, hidden))])


@pytest.mark.parametrize("count", [1, 2, 15, 17, 500, 4099])
def test_creators_that_are_alike_have_the_same_row_among_any_number(part, count):
    """Matrix kernels take the last rows of a block, and a single row, another way."""
    embedding = np.random.default_rng(2).normal(size=96).astype(np.float32)
    creators = replace(make_creators(), embeddings=np.tile(embedding, (count, 1)), ids=np.zeros(count, "S1"))
    (rows,) = part.compute(creators, (0, count))
    (alone,) = part.compute(creators, (count - 1, count))
    assert rows.shape == (count, 33)
    assert (rows == alone).all()


def test_a_row_that_is_computed_alone_is_that_of_the_table(tmp_path):
    """What comes later, one creator at a time, is scored as if it had been there at the build."""
    model = ZOO["two towers + cross MLP"]
    folded = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS)
    described = folded.description
    later = CreatorPart.open(folded.directory / "creator.onnx", described.creator, described.tables)
    stored = [np.load(folded.directory / "tables" / table.file) for table in later.tables]
    for row in (0, 7, 299):
        for values, table in zip(later.compute(folded.creators, (row, row + 1)), stored, strict=True):
            assert np.array_equal(values[0], table[row])


def test_the_whole_form_stays_in_the_bundle_and_can_be_asked_for(tmp_path):
    model = ZOO["two towers + cross MLP"]
    folded = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS)
    whole = open_ranker(folded.directory, folded.description.to_json(), folded.creators, whole=True)
    user = make_user(features={"age": np.float32(1)}, context={"hour": np.float32(0.5)})
    candidates = make_candidates(60)
    ranked, wanted = whole.rank(user, candidates, 10, {}, None), folded.rank(user, candidates)
    assert (wanted.form, ranked.form) == ("folded", "whole")
    np.testing.assert_allclose(ranked.scores, wanted.scores, rtol=1e-5, atol=1e-5)


WHOLE_SHAPES = {"LightGBM"}
FOLDED_SHAPES = {"two towers + cross MLP", "two towers out of one matrix", "DeepFM", "BatchNorm and Dropout", "embeddings of ids", "scikit-learn"}


@pytest.mark.parametrize("shape", ZOO)
def test_every_shape_is_taken_apart_as_far_as_its_algebra_goes(tmp_path, shape):
    model = ZOO[shape]
    for file in model.files:
        folder = tmp_path / file
        folder.mkdir()
        made = compile_model(folder, MODELS / f"{file}.onnx", model.binding, USER_COLUMNS)
        report = report_of(made)
        assert made.description.form == ("whole" if shape in WHOLE_SHAPES else "folded" if shape in FOLDED_SHAPES else made.description.form)
        assert (made.description.form == "whole") == (shape in WHOLE_SHAPES), report["notes"]
        if shape not in WHOLE_SHAPES:
            assert report["notes"] == []
            assert report["proof"]["same_top"] + report["proof"]["tied_top"] == report["proof"]["requests"]
            strangers = {join["operator"] for join in report["joins"] if join["why"] != "needs both sides at once"}
            assert strangers <= {"Softmax"}
            assert report["work"]["request_share"] + report["work"]["creator_share"] > 0.15


def test_towers_that_stay_apart_leave_no_column_to_gather(tmp_path):
    model = ZOO["two towers + cross MLP"]
    folded = compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS)
    assert columns_read(folded) == 0
    assert report_of(folded)["work"]["creator_share"] > 0.3


def leaf(graph, width):
    return graph.leaf(("columns", width), Colour.CREATOR, (ROWS, Size(0, width)), "float32")


def product(graph, x, width):
    matrix = graph.constant(np.ones((x.shape[1].fixed, width), np.float32))
    return graph.apply("MatMul", [x, matrix], (ROWS, Size(0, width)))


@pytest.mark.parametrize(("columns", "hidden", "stored"), [(96, 256, True), (16, 256, False), (8, 8, True)])
def test_a_product_is_stored_where_gathering_it_costs_less_than_computing_it(columns, hidden, stored):
    graph = Graph(17)
    made = product(graph, leaf(graph, columns), hidden)
    assert choose([made]) == ([made] if stored else [made.node.inputs[0]])


def test_what_would_make_the_tables_too_wide_is_computed_per_candidate():
    graph = Graph(17)
    columns = leaf(graph, 300)
    wide = [product(graph, columns, width) for width in (200, 220, 240)]
    assert len(choose(wide, widest=2000)) == 3
    chosen = choose(wide, widest=500)
    assert columns in chosen
    assert sum(tensor.shape[1].fixed for tensor in chosen if tensor.node.operator != LEAF) <= 500


def test_a_narrow_tensor_deep_inside_is_stored_rather_than_what_is_made_of_it():
    graph = Graph(17)
    narrow = product(graph, leaf(graph, 300), 8)
    wide = product(graph, narrow, 200)
    assert choose([wide]) == [narrow]
    assert choose([wide, narrow]) == [narrow]


def narrowed(folder, model, columns=ALL):
    path = folder / "model.onnx"
    onnx.save(model, path)
    return compile_model(folder, path, binding(columns), AGE, options=CompileOptions(narrows=True))


def test_narrow_tables_hold_half_the_bytes_and_the_same_order_of_the_best(tmp_path):
    made = narrowed(tmp_path, network(["gemm"], ALL, hidden=NARROW))
    report = report_of(made)
    assert made.description.form == made.rank(USER, make_candidates(5)).form == "narrowed"
    assert {table.dtype for table in made.description.tables} == {"float16"}
    assert report["bytes_per_creator"]["served"] == 2 * NARROW
    assert report["proof"]["mean_ndcg"] >= 0.999
    candidates = make_candidates(200)
    np.testing.assert_allclose(made.rank(USER, candidates).scores, made.reference(USER, candidates), atol=1e-2)
    later = CreatorPart.open(made.directory / "creator.onnx", made.description.creator, made.description.tables)
    assert np.array_equal(later.compute(made.creators, (7, 8))[0][0], np.load(made.directory / "tables" / made.description.tables[0].file)[7])


def test_tables_that_float16_cannot_hold_stay_wide(tmp_path):
    model = network(["gemm"], ALL, hidden=NARROW)
    weight = next(t for t in model.graph.initializer if t.name == "y0_w")
    values = onnx.numpy_helper.to_array(weight).copy()
    values[sum(WIDTHS[c] for c in ALL[: ALL.index("creator.quality")])] = 1e6
    weight.CopyFrom(onnx.numpy_helper.from_array(values, "y0_w"))
    made = narrowed(tmp_path, model)
    assert made.description.form == "folded"
    assert report_of(made)["notes"][0].startswith("narrowed: ")
    assert {table.dtype for table in made.description.tables} == {"float32"}
    candidates = make_candidates(50)
    np.testing.assert_allclose(made.rank(USER, candidates).scores, made.reference(USER, candidates), rtol=1e-4)


def test_an_order_that_is_worse_by_more_than_a_thousandth_is_not_served():
    figures = {"requests": 1, "pairs": 2, "max_absolute": 0.1, "max_relative": 0.1, "same_top": 0, "tied_top": 0, "reordered": True}
    assert not Agreement(**figures, mean_ndcg=0.9991, narrowed=True).problem
    assert "0.99800" in Agreement(**figures, mean_ndcg=0.998, narrowed=True).problem
    assert Agreement(**figures, mean_ndcg=1.0).problem, "an exact form is judged by its scores"
