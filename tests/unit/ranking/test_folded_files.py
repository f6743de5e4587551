"""The files and descriptions that folding adds to a ranker are held to the rules of all others before anything opens them."""

import copy
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from domain.errors import ArtifactError, ArtifactReason
from ranking.fold_report import facts, joins, read_report, tables
from ranking.load import load_ranker
from tests.unit.ranking.ranking_world import MODELS, compile_model
from tests.unit.ranking.zoo import USER_COLUMNS, ZOO


@pytest.fixture
def folded(tmp_path):
    model = ZOO["two towers + cross MLP"]
    return compile_model(tmp_path, MODELS / f"{model.files[0]}.onnx", model.binding, USER_COLUMNS)


def description_of(folded):
    return json.loads(json.dumps(folded.description.to_json()))


def refusal(folded, description=None, whole=False):
    with pytest.raises(ArtifactError) as refused:
        load_ranker(folded.directory, description_of(folded) if description is None else description, folded.creators, whole)
    return refused.value.reason


def test_nothing_is_computed_that_nobody_reads(folded):
    graph = onnx.load(folded.directory / "served.onnx", load_external_data=False).graph
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    assert [node.name for node in graph.node if not read & set(node.output)] == []


@pytest.mark.parametrize("file", ["served.onnx", "whole.onnx", "creator.onnx"])
def test_every_graph_is_looked_into_whichever_form_is_served(folded, file):
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("c", TensorProto.BOOL, [])])
    graph = helper.make_graph([helper.make_node("Loop", ["", ""], ["y"], body=body)], "g", [], [])
    onnx.save(helper.make_model(graph), folded.directory / file)
    assert refusal(folded) is refusal(folded, whole=True) is ArtifactReason.MODEL_FORBIDDEN_OP


@pytest.mark.parametrize("file", ["served.onnx", "whole.onnx", "creator.onnx"])
def test_a_graph_that_is_not_there_is_named(folded, file):
    (folded.directory / file).unlink()
    assert refusal(folded) is ArtifactReason.CHECKSUM_MISMATCH


def changed(folded, *keys, value):
    description = copy.deepcopy(description_of(folded))
    inner = description
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return description


LIES = {
    "a table elsewhere": (("whole", "tables", 0, "file"), "../../x.npy"),
    "a table of another catalogue": (("whole", "tables", 0, "shape"), [7, 3]),
    "a request without end": (("whole", "requests", 0, "shape"), [1, 2**39]),
    "a part that fills no table": (("creator", "tables"), ["another"]),
    "a part without tables": (("creator", "tables"), []),
    "a part that reads users": (("creator", "inputs", 0, "columns", 0, "column"), "user.embedding"),
    "a part that takes nothing": (("creator", "inputs", 0, "columns"), []),
    "a part of objects": (("creator", "inputs", 0, "dtype"), "object"),
    "near ties of nobody": (("near",), -1.0),
    "near ties of everybody": (("near",), float("inf")),
    "near ties that nobody settles": (("whole",), None),
    "a part of another kind": (("creator",), {"inputs": 3, "tables": []}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_description_that_no_build_writes_is_refused(folded, lie):
    keys, value = LIES[lie]
    assert refusal(folded, changed(folded, *keys, value=value)) is ArtifactReason.MANIFEST_INVALID


def test_only_the_tables_of_the_form_that_is_served_are_loaded(folded):
    served, whole = (load_ranker(folded.directory, description_of(folded), folded.creators, whole) for whole in (False, True))
    assert set(served.tables) == {table.name for table in folded.description.tables}
    assert set(whole.tables) == {table.name for table in folded.description.whole.tables}
    assert not set(served.tables) & set(whole.tables)


def test_the_report_says_what_became_of_the_work(folded):
    report = read_report(folded.directory)
    said = dict(facts(report))
    work = report["work"]
    assert sum(work[f"{side}_share"] for side in ("creator", "request", "candidate")) == pytest.approx(1.0, abs=1e-3)
    assert said["bytes per creator"].startswith(f"{sum(int(np.prod(t.shape[1:])) * 4 for t in folded.description.tables):,} in tables")
    assert "64 requests" in said["proved on"]
    assert len(tables(report)) == 1
    assert joins(report)[0][0].startswith("Gemm")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000])
def test_a_report_that_no_build_writes_is_refused(folded, content):
    (folded.directory / "report.json").write_bytes(content)
    with pytest.raises(ArtifactError) as refused:
        read_report(folded.directory)
    assert refused.value.reason is ArtifactReason.MANIFEST_INVALID
