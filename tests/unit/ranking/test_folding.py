"""The creators' part of a first layer comes from a table where that pays: the same scores as exported."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

from domain.columns import ColumnKind, ColumnSpec
from domain.progress import SILENT
from ranking.bound import ColumnRef
from ranking.fold import WIDEST, fold_inputs, folding_pays
from ranking.plan import BoundColumn
from ranking.resolve import CREATOR, REQUEST, Piece
from ranking.split import Layer, SplitInput
from ranking.tables import TableWriter
from tests.unit.ranking.first_layers import ALL, KINDS, NARROW, USER, compiled, network, optimized
from tests.unit.ranking.ranking_world import make_candidates, make_creators, make_user, model_of, value


def piece_of(origin, width):
    """A piece of one vector of its side."""
    name = {CREATOR: "creator.embedding", REQUEST: "user.embedding"}[origin]
    return Piece(origin, (BoundColumn(ColumnRef.parse(name), ColumnSpec("embedding", ColumnKind.VECTOR, "float32", width), width),))


def folded_model(folder, kinds=("gemm",), hidden=NARROW):
    return compiled(folder, network(kinds, ALL, hidden=hidden))


@pytest.mark.parametrize("kind", KINDS)
def test_a_folded_layer_reads_one_table_with_its_product_and_no_column_of_creators(tmp_path, kind):
    folded = folded_model(tmp_path, [kind])
    (table,) = folded.description.tables
    assert folded.rank(USER, make_candidates(5)).form == folded.description.form == "folded"
    assert table.shape == (len(folded.creators), NARROW)
    assert folded.agrees(USER, make_candidates(60))


def test_layers_behind_one_input_are_folded_each_into_a_table_of_its_own(tmp_path):
    folded = folded_model(tmp_path, ["gemm", "matmul"], hidden=6)
    assert [t.shape[1] for t in folded.description.tables] == [6, 6]
    assert folded.agrees(USER, make_candidates(60))


def test_a_folded_layer_that_reads_no_similarity_adds_two_rows(tmp_path):
    columns = ("creator.mood", "user.embedding", "creator.embedding")
    folded = compiled(tmp_path, network(["gemm"], columns, hidden=NARROW), columns)
    assert folded.description.form == "folded"
    assert not folded.description.reads_similarity
    assert folded.agrees(USER, make_candidates(60))


def test_the_runtime_joins_a_folded_layer_with_the_activation_behind_it(tmp_path):
    assert "FusedGemm" in optimized(folded_model(tmp_path), tmp_path)


def test_creators_that_are_alike_score_alike_in_every_place_of_the_table(tmp_path):
    """Products are summed in blocks, whose kernels sum the last rows in another order than the first."""
    width, rows = 96, 4099
    embedding = np.random.default_rng(2).normal(size=width).astype(np.float32)
    writer = TableWriter(replace(make_creators(), embeddings=np.tile(embedding, (rows, 1)), ids=np.zeros(rows, "S1")), "t")
    table = writer.product_for([piece_of(CREATOR, width)], "float32", np.random.default_rng(3).normal(size=(width, 33)).astype(np.float32))
    writer.write(tmp_path / "tables", SILENT)
    product = np.load(tmp_path / "tables" / table.file)
    assert product.shape == (rows, 33)
    assert (product == product[0]).all()


def test_where_folding_would_cost_more_than_it_saves_the_layer_is_split():
    assert folding_pays(96, 256)
    assert not folding_pays(16, 256)
    assert folding_pays(8, 8), "nothing more is gathered"


def test_what_would_make_a_table_too_wide_stays_split():
    wide = 40
    split = SplitInput((piece_of(CREATOR, 2000), piece_of(REQUEST, 1)), (Layer(np.zeros((2001, wide), np.float32), None, "y", frozenset("y")),))
    several = {str(i): split for i in range(WIDEST // wide + 1)}
    assert [one.folded for one in fold_inputs(several).values()] == [True] * (WIDEST // wide) + [False]


def test_a_product_that_overflows_is_not_served_from_a_table(tmp_path):
    """The creators' part alone is beyond float32; the request takes it back."""
    columns = ("context.hour", "creator.quality")
    weight = np.float32([[-3e38], [3e38]])
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["score"])]
    model = model_of(nodes, [value("x", "float32", ["n", 2])], [value("score", "float32", ["n", 1])], {"w": weight})
    served = compiled(tmp_path, model, columns)
    assert served.agrees(make_user(context={"hour": np.float32(0.5)}), make_candidates(50))
