"""The graph of a bundle is looked into before the runtime gets it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from domain.errors import ArtifactError, ArtifactReason
from ranking.served_graph import check_served_graph
from tests.unit.ranking.ranking_world import MODELS

FORBIDDEN, INVALID, EXTERNAL = ArtifactReason.MODEL_FORBIDDEN_OP, ArtifactReason.MODEL_INVALID, ArtifactReason.MODEL_EXTERNAL_DATA
INNER = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])


def saved(path, *nodes, shape=(1, 2), raw=True, **fields):
    tensor = numpy_helper.from_array(np.array(shape), "shape") if raw else helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])], [output], [tensor])
    model = helper.make_model(graph, **fields)
    path.write_bytes(model.SerializeToString())
    return path


def reason(path):
    with pytest.raises(ArtifactError, match=str(path)) as refused:
        check_served_graph(path)
    return refused.value.reason


@pytest.mark.parametrize("name", ["torch_dynamo_attention", "torch_two_heads", "sklearn_boosting", "lightgbm_classifier", "torch_external"])
def test_graphs_without_anything_odd_pass(name):
    check_served_graph(MODELS / f"{name}.onnx")


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Loop", ["", "", "x"], ["y"], body=INNER),
        helper.make_node("If", ["x"], ["y"], then_branch=INNER, else_branch=INNER),
        helper.make_node("Scan", ["x"], ["y"], body=INNER, num_scan_inputs=1),
        helper.make_node("Unheard", ["x"], ["y"], body=INNER),
        helper.make_node("Run", ["x"], ["y"], domain="evil"),
        helper.make_node("FusedMatMul", ["x", "x"], ["y"], domain="com.microsoft"),
    ],
    ids=lambda node: node.op_type,
)
def test_operators_that_no_build_writes_are_refused(tmp_path, node):
    assert reason(saved(tmp_path / "g.onnx", node)) is FORBIDDEN


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand"])
def test_tensors_without_measure_are_refused(tmp_path, op, raw):
    node = helper.make_node(op, ["shape"] if op == "ConstantOfShape" else ["x", "shape"], ["y"])
    check_served_graph(saved(tmp_path / "g.onnx", node, shape=(1000, 1000), raw=raw))
    assert reason(saved(tmp_path / "g.onnx", node, shape=(10**6, 10**5), raw=raw)) is FORBIDDEN
    constant = helper.make_node("Constant", [], ["other"], value=numpy_helper.from_array(np.array([10**11])))
    assert reason(saved(tmp_path / "g.onnx", constant, helper.make_node("ConstantOfShape", ["other"], ["y"]))) is FORBIDDEN


def test_functions_of_a_graphs_own_are_refused(tmp_path):
    function = helper.make_function("f", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [helper.make_opsetid("", 17)])
    assert reason(saved(tmp_path / "g.onnx", helper.make_node("Identity", ["x"], ["y"]), functions=[function])) is FORBIDDEN


@pytest.mark.parametrize(
    "entry",
    [
        {"location": "../up"},
        {"location": "/etc/hostname"},
        {"location": "absent"},
        {},
        {"location": "data", "offset": "-1"},
        {"location": "data", "length": "99"},
        {"location": "data", "offset": "x"},
    ],
    ids=str,
)
def test_weights_elsewhere_or_beyond_their_file_are_refused(tmp_path, entry):
    (tmp_path / "data").write_bytes(bytes(16))
    path = saved(tmp_path / "g.onnx", helper.make_node("Identity", ["x"], ["y"]))
    model = onnx.load_from_string(path.read_bytes())
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in entry.items():
        added = tensor.external_data.add()
        added.key, added.value = key, text
    path.write_bytes(model.SerializeToString())
    assert reason(path) is EXTERNAL


@pytest.mark.parametrize("data", [b"", b"no graph", b"\x08\x08", bytes(range(256)) * 40])
def test_a_file_that_is_no_graph_is_refused(tmp_path, data):
    (tmp_path / "g.onnx").write_bytes(data)
    assert reason(tmp_path / "g.onnx") is INVALID
