"""Rankers as real exporters write them are served, and give what they give as exported. The files are made by tests/models/export_*.py."""

import shutil

import numpy as np
import onnx
import pytest
from onnx import helper

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from domain.errors import ArtifactError
from ranking.open import open_ranker
from tests.unit.ranking.ranking_world import MODELS, binding_text, compile_model, make_candidates, make_user, model_of, value

FEATURES = """
[inputs.features]
per = "candidate"
columns = ["user.embedding", "user.age", "creator.embedding", "creator.quality", "creator.followers", "context.hour", "retrieval.similarity"]
[defaults]
"context.hour" = 12.0
"""
AGE = (ColumnSpec("age", ColumnKind.SCALAR, "int32"),)
ROW_WISE = {
    "torch_script_mlp": 'output = "score"',
    "torch_dynamo_mlp": 'output = "score"',
    "torch_external": 'output = "score"',
    "torch_two_heads": "objective = { p_follow = 1.0, p_stream = 0.3 }",
    "lightgbm_regressor": 'output = "variable"',
    "lightgbm_classifier": 'output = "probabilities[1]"',
    "sklearn_boosting": 'output = "variable"',
    "sklearn_mlp": 'output = "variable"',
    "sklearn_logistic": 'output = "probabilities[1]"',
    "sklearn_three_classes": 'output = "probabilities[2]"',
}
HISTORY = """
version = 1
output = "score"
[inputs.creator]
per = "candidate"
columns = ["creator.embedding"]
[inputs.history]
per = "request"
columns = ["user.history.creator.embedding"]
length = 6
[inputs.history_mask]
per = "request"
columns = ["user.history.mask"]
length = 6
"""
CREATOR_SEQUENCE = (ColumnSpec("history", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR),)


def user(**features):
    return make_user(features={"age": np.int32(33), **features}, context={"hour": np.float32(8.5)})


@pytest.mark.parametrize("name", ROW_WISE)
def test_a_row_wise_export_gives_served_what_it_gives_alone(tmp_path, name):
    compiled = compile_model(tmp_path, MODELS / f"{name}.onnx", f"version = 1\n{ROW_WISE[name]}\n{FEATURES}", AGE)
    candidates = make_candidates(120)
    assert compiled.agrees(user(), candidates)
    ranked = compiled.rank(user(), candidates, 20)
    assert len(np.unique(ranked.scores)) > 10
    assert np.array_equal(ranked.scores[ranked.order], np.sort(ranked.scores)[::-1][:20])


@pytest.mark.parametrize("name", ["torch_script_attention", "torch_dynamo_attention"])
@pytest.mark.parametrize("count", [0, 1, 5, 6, 40])
def test_attention_over_the_history_reads_its_newest_entries(tmp_path, name, count):
    compiled = compile_model(tmp_path, MODELS / f"{name}.onnx", HISTORY, CREATOR_SEQUENCE)
    history = np.arange(100, 100 + count, dtype=np.int64)
    candidates = make_candidates(50)
    given = compiled.rank(user(history=history), candidates).scores
    assert compiled.agrees(user(history=history), candidates)
    assert np.array_equal(given, compiled.rank(user(history=history[-6:]), candidates).scores)


def test_a_first_layer_as_torch_writes_it_is_split(tmp_path):
    compiled = compile_model(tmp_path, MODELS / "torch_two_heads.onnx", f"version = 1\n{ROW_WISE['torch_two_heads']}\n{FEATURES}", AGE)
    assert compiled.rank(user(), make_candidates(5)).form == "split"


@pytest.mark.parametrize("objective", ["{ p_follow = 1.0, p_stream = 0.3 }", "{ p_stream = 0.3, p_follow = 1.0 }"])
def test_heads_keep_their_weights_whatever_the_order_of_their_names(tmp_path, objective):
    """The manifest sorts its keys, and the served graph takes weights by place."""
    compiled = compile_model(tmp_path, MODELS / "torch_two_heads.onnx", f"version = 1\nobjective = {objective}\n{FEATURES}", AGE)
    assert compiled.agrees(user(), make_candidates(40))
    follow, stream = (compiled.rank(user(), make_candidates(40), 10, {head: 1.0}).scores for head in ("p_follow", "p_stream"))
    np.testing.assert_allclose(compiled.rank(user(), make_candidates(40)).scores, follow + 0.3 * stream, rtol=1e-5)


@pytest.mark.parametrize("heads", [["p_follow"], ["p_follow", "p_follow"], ["p_follow", "p_stream", "other"], []])
def test_heads_that_are_not_those_of_the_objective_are_refused(tmp_path, heads):
    objective = "objective = { p_stream = 0.3, p_follow = 1.0 }"
    compiled = compile_model(tmp_path, MODELS / "torch_two_heads.onnx", f"version = 1\n{objective}\n{FEATURES}", AGE)
    with pytest.raises(ArtifactError, match="build the bundle again"):
        open_ranker(compiled.directory, compiled.description.to_json() | {"heads": heads}, compiled.creators)


def test_two_towers_run_the_user_side_once(tmp_path):
    binding = """
version = 1
output = "score"
[inputs.user]
per = "request"
columns = ["user.embedding", "user.age"]
[inputs.creator]
per = "candidate"
columns = ["creator.embedding", "creator.quality", "creator.followers"]
"""
    compiled = compile_model(tmp_path, MODELS / "torch_two_towers.onnx", binding, AGE)
    assert compiled.agrees(user(), make_candidates(77))


def test_int64_ids_of_both_sides_reach_the_embeddings_of_the_model(tmp_path):
    binding = """
version = 1
output = "score"
[inputs.country]
per = "request"
columns = ["context.country"]
[inputs.genre]
per = "candidate"
columns = ["creator.genre"]
[inputs.similarity]
per = "candidate"
columns = ["retrieval.similarity"]
[vocabularies]
"context.country" = { values = ["SE", "GB"], first = 1, unknown = 0 }
"""
    compiled = compile_model(tmp_path, MODELS / "torch_id_embedding.onnx", binding)
    candidates = make_candidates(60)
    scores = []
    for code in (0, 1, 2):
        asking = make_user(context={"country": np.int64(code)})
        assert compiled.agrees(asking, candidates)
        scores.append(compiled.rank(asking, candidates).scores)
    assert not np.array_equal(scores[0], scores[1])


def test_the_bundle_holds_the_model_as_exported_with_its_external_data(tmp_path):
    source = tmp_path / "brought"
    source.mkdir()
    for name in ("torch_external.onnx", "torch_external.onnx.data"):
        shutil.copy(MODELS / name, source / name)
    compiled = compile_model(tmp_path, source / "torch_external.onnx", f'version = 1\noutput = "score"\n{FEATURES}', AGE)
    assert (compiled.directory / "ranker.onnx").read_bytes() == (source / "torch_external.onnx").read_bytes()
    assert (compiled.directory / "torch_external.onnx.data").read_bytes() == (source / "torch_external.onnx.data").read_bytes()
    shutil.rmtree(source)
    assert compiled.agrees(user(), make_candidates(30))


def test_an_opset_too_old_to_compose_with_is_raised(tmp_path):
    assert {o.domain: o.version for o in onnx.load(MODELS / "lightgbm_regressor.onnx").opset_import}[""] < 10
    compiled = compile_model(tmp_path, MODELS / "lightgbm_regressor.onnx", f'version = 1\noutput = "variable"\n{FEATURES}', AGE)
    opsets = {o.domain: o.version for o in onnx.load(compiled.directory / "served.onnx").opset_import}
    assert opsets[""] >= 10


def test_an_opset_whose_operators_have_changed_since_is_converted(tmp_path):
    """Gemm of opset 7 is another one than that of opset 10; the initializers are inputs, too, as IR version 3 had it."""
    weights = {"w": np.arange(1.0, 9).astype(np.float32)[:, None], "b": np.float32([0.5])}
    inputs = [value("x", "float32", ["n", 8]), value("w", "float32", [8, 1]), value("b", "float32", [1])]
    model = model_of([helper.make_node("Gemm", ["x", "w", "b"], ["score"])], inputs, [value("score", "float32", ["n", 1])], weights, opset=7)
    model.ir_version = 3
    compiled = compile_model(tmp_path, model, binding_text('"creator.embedding"'))
    assert compiled.agrees(user(), make_candidates(50))
    assert len(onnx.load(compiled.directory / "served.onnx").graph.input) == 3, "rows, how many, and a table; no weights"


def test_names_of_the_model_that_look_like_ours_do_not_collide(tmp_path):
    nodes = [helper.make_node("Relu", ["earshot/rows"], ["earshot1/scores"])]
    model = model_of(nodes, [value("earshot/rows", "float32", ["n"])], [value("earshot1/scores", "float32", ["n"])])
    binding = binding_text('"creator.quality"', name='"earshot/rows"').replace('"score"', '"earshot1/scores"')
    assert compile_model(tmp_path, model, binding).agrees(user(), make_candidates(20))


def test_trees_get_nan_where_the_binding_says_so(tmp_path):
    binding = f'version = 1\noutput = "variable"\n{FEATURES}'.replace("12.0", "nan")
    compiled = compile_model(tmp_path, MODELS / "lightgbm_regressor.onnx", binding, AGE)
    candidates = make_candidates(50)
    silent = make_user(features={"age": np.int32(33)})
    assert compiled.agrees(silent, candidates)
    assert np.isfinite(compiled.rank(silent, candidates).scores).all()
