"""Rankers that cannot be served are refused at build, with a sentence that says what to do."""

import os
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from domain.progress import SILENT
from ranking.binding import read_binding
from ranking.compile import RankerSource, compile_ranker
from tests.unit.ranking.ranking_world import MODELS, binding_text, compile_model, make_creators, model_of, value, weighing

GOOD = binding_text('"creator.quality"')
CREATORS = make_creators()
FEATURES = MODELS / "torch_dynamo_mlp.onnx"
BOUND = '"user.embedding", "user.age", "creator.embedding", "creator.quality", "creator.followers", "context.hour", "retrieval.similarity"'
SPECS = (
    ColumnSpec("age", ColumnKind.SCALAR, "float32"),
    ColumnSpec("history", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR),
    ColumnSpec("clicks", ColumnKind.SEQUENCE, "int64", 0),
)


def refusal(folder, model, binding=GOOD, user_columns=SPECS):
    with pytest.raises(ArtifactError) as refused:
        compile_model(folder, model, binding, user_columns, CREATORS)
    return refused.value


def scored(op, *inputs, constants=None, domain="", **attributes):
    """A model whose score is x plus what one node makes."""
    nodes = [helper.make_node(op, list(inputs), ["made"], domain=domain, **attributes), helper.make_node("Add", ["x", "made"], ["score"])]
    model = model_of(nodes, [value("x", "float32", ["n", 1])], [value("score", "float32", ["n", 1])], constants)
    if domain not in ("", "ai.onnx.ml"):
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize("data", [b"", b"no onnx at all", b"\x08\x08\x12\x00", bytes(range(256)) * 4])
def test_a_file_that_is_no_model_is_refused(tmp_path, data):
    path = tmp_path / "ranker.onnx"
    path.write_bytes(data)
    assert refusal(tmp_path, path).reason is ArtifactReason.MODEL_INVALID


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model_is_refused(tmp_path, share):
    path = tmp_path / "ranker.onnx"
    data = FEATURES.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert refusal(tmp_path, path, binding_text(BOUND, name="features")).reason in {ArtifactReason.MODEL_INVALID, ArtifactReason.MODEL_SIGNATURE}


def test_a_model_that_is_not_there_is_an_absent_input(tmp_path):
    with pytest.raises(InputNotFound):
        compile_model(tmp_path, tmp_path / "none.onnx", GOOD)


def test_an_opset_newer_than_the_runtime_is_refused(tmp_path):
    model = weighing()
    model.opset_import[0].version = 99
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_UNSUPPORTED
    assert "opset 99 of ai.onnx" in refused.text
    assert "knows up to 2" in refused.text


def test_an_ir_version_newer_than_the_runtime_is_refused(tmp_path):
    model = weighing()
    model.ir_version = 99
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_UNSUPPORTED
    assert "IR version 99" in refused.text


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (scored("FusedMatMul", "x", "x", domain="com.microsoft"), 'FusedMatMul of the domain "com.microsoft"'),
        (scored("Mine", "x", domain="my.own"), 'Mine of the domain "my.own"'),
        (scored("RandomNormalLike", "x"), "another slate each time"),
        (scored("Multinomial", "x"), "another slate each time"),
        (scored("ConstantOfShape", "big", constants={"big": np.array([10**6, 10**5])}), "100000000000 elements"),
    ],
)
def test_operators_that_are_not_served_are_refused(tmp_path, model, says):
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_FORBIDDEN_OP
    assert says in refused.text


@pytest.mark.parametrize("op", ["If", "Loop", "Scan"])
def test_control_flow_is_refused(tmp_path, op):
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "inner", [], [value("y", "float32", ["n", 1])])
    branches = {"then_branch": inner, "else_branch": inner} if op == "If" else {"body": inner}
    attributes = {"num_scan_inputs": 1} if op == "Scan" else {}
    refused = refusal(tmp_path, scored(op, "x", **branches, **attributes))
    assert refused.reason is ArtifactReason.MODEL_FORBIDDEN_OP
    assert f"uses {op}" in refused.text


def test_forbidden_operators_inside_local_functions_are_refused(tmp_path):
    model = scored("Noise", "x", domain="my.functions")
    body = [helper.make_node("RandomNormalLike", ["a"], ["b"])]
    model.functions.append(helper.make_function("my.functions", "Noise", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    assert "RandomNormalLike" in refusal(tmp_path, model).text


def test_local_functions_of_allowed_operators_are_served(tmp_path):
    model = scored("Twice", "x", domain="my.functions")
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(helper.make_function("my.functions", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    compile_model(tmp_path, model, GOOD)


@pytest.mark.parametrize(
    ("shape", "columns", "says"),
    [
        (["n", 3], '"creator.quality", "user.age"', "is 3 wide, but its columns add up to 2: creator.quality (1), user.age (1)"),
        (["n", 3], '"creator.embedding"', "is 3 wide, but its columns add up to 8"),
        ([32, 1], '"creator.quality"', "fixed batch of 32; export the model with a dynamic first axis"),
        ([1, 1], '"creator.quality"', 'per = "request"'),
        (["n", 1, 1], '"creator.quality"', "wrong rank"),
        (["n"], '"creator.embedding"', "add up to 8"),
        ([], '"creator.quality"', "wrong rank"),
    ],
)
def test_shapes_that_the_columns_do_not_fill_are_refused(tmp_path, shape, columns, says):
    refused = refusal(tmp_path, weighing(shape=shape, width=shape[-1] if shape and shape[-1] == 3 else 1), binding_text(columns))
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert says in refused.text


@pytest.mark.parametrize(
    ("shape", "columns", "extra", "says"),
    [
        ([4, 1], '"user.age"', "", "fixed batch of 4, but there is one row per request"),
        ([1, 2], '"user.age"', "", "add up to 1"),
        ([1, 1, 1], '"user.age"', "", "is not"),
        ([1, 7], '"user.clicks"', "length = 5", "with length = 5"),
        ([1, 5, 3], '"user.history.creator.embedding"', "length = 5", "add up to 8 with length = 5"),
    ],
)
def test_shapes_per_request_that_do_not_fit_are_refused(tmp_path, shape, columns, extra, says):
    refused = refusal(tmp_path, weighing(shape=shape), binding_text(columns, "request", extra))
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert says in refused.text


def test_a_wrong_length_per_candidate_is_refused(tmp_path):
    refused = refusal(tmp_path, weighing(shape=["n", 5], width=5), binding_text('"creator.topics"', extra="length = 4"))
    assert "takes 5 entries, but its binding says length = 4" in refused.text


@pytest.mark.parametrize(
    ("dtype", "columns", "extra", "says"),
    [
        ("float32", '"creator.qualty"', "", 'did you mean "creator.quality"?'),
        ("float32", '"creator.language"', "", '[vocabularies] "creator.language"'),
        ("float32", '"user.agee"', "", 'did you mean "user.age"?'),
        ("float32", '"user.history.creator.nothing"', "length = 3", '"creator.nothing" is not in creators.parquet'),
        ("int64", '"creator.quality"', "", "an integer tensor takes integer columns only"),
        ("int32", '"retrieval.similarity"', "", "an integer tensor takes integer columns only"),
        ("int64", '"creator.embedding"', "", "an integer tensor takes integer columns only"),
        ("bool", '"creator.followers"', "", "takes booleans"),
        ("float32", '"user.history"', "length = 3", "write user.history.creator.embedding"),
        ("float32", '"user.history.creator.topics"', "length = 3", "itself a sequence"),
        ("float32", '"user.clicks.creator.embedding"', "length = 3", "does not hold creator ids"),
        ("float32", '"user.clicks"', "", "add length"),
        ("float32", '"user.history.mask"', "", "add length"),
        ("float32", '"user.age"', "length = 3", "is one value, not a sequence"),
        ("float32", '"user.clicks.present"', "length = 3", ".mask says it entry by entry"),
        ("float32", '"user.clicks", "user.clicks.length"', "length = 3", "an input of its own"),
        ("float32", '"user.age.mask"', "", "is a scalar and has no mask"),
        ("float32", '"creator.topics"', "", "add length"),
    ],
)
def test_columns_that_cannot_feed_the_input_are_refused(tmp_path, dtype, columns, extra, says):
    refused = refusal(tmp_path, weighing(dtype), binding_text(columns, extra=extra))
    assert refused.reason is ArtifactReason.BINDING_INVALID
    assert says in refused.text


def test_a_user_column_that_no_table_and_no_default_has_is_refused(tmp_path):
    refused = refusal(tmp_path, weighing(), binding_text('"user.plan"'))
    assert "give it a value in [defaults]" in refused.text


@pytest.mark.parametrize(
    ("dtype", "column", "default", "says"),
    [
        ("float32", "user.age", "[1.0, 2.0]", "write one number"),
        ("float32", "user.clicks.length", "3", "write a list, like []"),
        ("float32", "user.history.length", "[1]", "write []"),
        ("int64", "creator.followers", "nan", "holds integers"),
        ("int64", "creator.followers", "1.5", "holds integers"),
        ("int8", "creator.small", "200", "does not fit int8"),
        ("float32", "creator.active", "2", "holds booleans"),
        ("float32", "creator.rare", "1e300", "does not fit float32"),
        ("float32", "creator.mood", "[1.0]", "one number or 3 of them"),
    ],
)
def test_defaults_that_do_not_fit_their_column_are_refused(tmp_path, dtype, column, default, says):
    full = ".".join(column.split(".")[:2])
    refused = refusal(tmp_path, weighing(dtype), binding_text(f'"{column}"', rest=f'[defaults]\n"{full}" = {default}'))
    assert refused.reason is ArtifactReason.BINDING_INVALID
    assert says in refused.text


def test_an_input_that_is_bound_to_nothing_is_refused(tmp_path):
    refused = refusal(tmp_path, MODELS / "torch_two_towers.onnx", binding_text('"user.embedding", "user.age"', "request", name="user"))
    assert 'input "creator" (float32 [n, 10]) is bound to nothing; add [inputs.creator]' in refused.text


def test_a_binding_of_no_input_is_refused(tmp_path):
    refused = refusal(tmp_path, weighing(), GOOD + binding_text('"creator.quality"', name="y").split("\n", 2)[2])
    assert refused.reason is ArtifactReason.BINDING_INVALID
    assert "[inputs.y] binds no input of the model; its inputs are x" in refused.text


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("scores", "its outputs are label, probabilities"),
        ("probabilities", 'pick one, as in "probabilities[1]"'),
        ("probabilities[3]", "has 3 columns"),
        ("label[0]", "remove the index"),
    ],
)
def test_outputs_that_are_no_scores_are_refused(tmp_path, output, says):
    text = binding_text(BOUND, name="features").replace('"score"', f'"{output}"')
    assert says in refusal(tmp_path, MODELS / "sklearn_three_classes.onnx", text).text


@pytest.mark.parametrize("output", ["output_probability", "output_probability[1]"])
def test_a_zipmap_is_refused_with_the_option_that_avoids_it(tmp_path, output):
    text = binding_text(BOUND, name="features").replace('"score"', f'"{output}"')
    refused = refusal(tmp_path, MODELS / "sklearn_zipmap.onnx", text)
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert "zipmap=False" in refused.text


def test_columns_that_the_graph_does_not_declare_are_found_by_running_it(tmp_path):
    model = weighing()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones((1, 2)), "weights"))
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert "[200, 2]" in refused.text


def test_a_string_input_is_refused(tmp_path):
    model = model_of(
        [
            helper.make_node("CategoryMapper", ["x"], ["code"], domain="ai.onnx.ml", cats_int64s=[1], cats_strings=["a"]),
            helper.make_node("Cast", ["code"], ["score"], to=1),
        ],
        [value("x", "string", ["n", 1])],
        [value("score", "float32", ["n", 1])],
    )
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert "[vocabularies]" in refused.text


def test_a_sequence_input_is_refused(tmp_path):
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    nodes = [helper.make_node("ConcatFromSequence", ["x"], ["score"], axis=0)]
    refused = refusal(tmp_path, model_of(nodes, [sequence], [value("score", "float32", ["n"])]))
    assert "only tensors can be fed" in refused.text


def test_a_model_whose_rows_depend_on_each_other_is_refused(tmp_path):
    nodes = [helper.make_node("Softmax", ["x"], ["score"], axis=0)]
    model = model_of(nodes, [value("x", "float32", ["n", 1])], [value("score", "float32", ["n", 1])])
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert "every row must be scored by itself" in refused.text


def test_a_hidden_fixed_batch_is_found_by_running_the_model(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["score"])]
    model = model_of(nodes, [value("x", "float32", ["n", 1])], [value("score", "float32", ["n", 1])], {"shape": np.array([32, 1])})
    refused = refusal(tmp_path, model)
    assert refused.reason is ArtifactReason.MODEL_SIGNATURE
    assert "as exported it does not score" in refused.text


def test_a_model_without_any_finite_score_is_refused(tmp_path):
    model = weighing()
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.full((1, 1), np.nan), "weights"))
    assert "no finite score" in refusal(tmp_path, model).text


def test_values_of_creators_that_do_not_fit_are_refused_with_row_and_value(tmp_path):
    refused = refusal(tmp_path, weighing("int8"), binding_text('"creator.followers"'))
    followers = CREATORS.columns["followers"].values
    row = int(np.flatnonzero(followers > 127)[0])
    assert refused.reason is ArtifactReason.INPUT_INVALID
    assert f'column "followers", row {row}: {followers[row]} does not fit int8' in refused.text


def test_a_null_without_a_default_is_refused_with_its_row(tmp_path):
    refused = refusal(tmp_path, weighing(), binding_text('"creator.rare"'))
    row = int(np.flatnonzero(~CREATORS.columns["rare"].present)[0])
    assert f'column "rare", row {row}: null' in refused.text


class TestExternalData:
    """Weights beside the model."""

    def brought(self, folder, **entry):
        """A model whose weights lie in a file, with its description changed."""
        for name in ("torch_external.onnx", "torch_external.onnx.data"):
            shutil.copy(MODELS / name, folder / name)
        model = onnx.load(folder / "torch_external.onnx", load_external_data=False)
        first = next(t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL)
        for item in first.external_data:
            item.value = entry.get(item.key, item.value)
        path = folder / "torch_external.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            ({"location": "../torch_external.onnx.data"}, "plain file beside the model"),
            ({"location": "/etc/passwd"}, "plain file beside the model"),
            ({"location": ""}, "plain file beside the model"),
            ({"location": "folder/weights"}, "plain file beside the model"),
            ({"location": "binding.json"}, "the bundle uses itself"),
            ({"location": "missing.data"}, "cannot be read"),
            ({"offset": "-1"}, "export or copy the file again"),
            ({"length": "-1"}, "export or copy the file again"),
            ({"offset": str(2**70)}, "export or copy the file again"),
            ({"length": str(2**40)}, "export or copy the file again"),
            ({"offset": "many"}, "export or copy the file again"),
        ],
    )
    def test_weights_elsewhere_or_beyond_the_file_are_refused(self, tmp_path, entry, says):
        refused = refusal(tmp_path, self.brought(tmp_path, **entry), binding_text(BOUND, name="features"))
        assert refused.reason is ArtifactReason.MODEL_EXTERNAL_DATA
        assert says in refused.text

    def test_a_short_file_is_refused(self, tmp_path):
        path = self.brought(tmp_path)
        os.truncate(tmp_path / "torch_external.onnx.data", 100)
        assert refusal(tmp_path, path, binding_text(BOUND, name="features")).reason is ArtifactReason.MODEL_EXTERNAL_DATA

    def test_a_link_is_refused(self, tmp_path):
        path = self.brought(tmp_path)
        data = tmp_path / "torch_external.onnx.data"
        data.rename(tmp_path / "elsewhere")
        data.symlink_to(tmp_path / "elsewhere")
        refused = refusal(tmp_path, path, binding_text(BOUND, name="features"))
        assert refused.reason is ArtifactReason.MODEL_EXTERNAL_DATA
        assert "is a link" in refused.text


def test_a_refused_ranker_leaves_no_served_graph(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(weighing("int64"), path)
    (tmp_path / "binding.toml").write_text(GOOD)
    directory = tmp_path / "out"
    directory.mkdir()
    with pytest.raises(ArtifactError):
        compile_ranker(RankerSource(path, read_binding(path, tmp_path / "binding.toml"), CREATORS), directory, SILENT)
    assert list(directory.iterdir()) == []
