"""docs/ranker.md says what is so: its bindings parse, its refusals are those of the build, word for word, and it names every recipe."""

import re
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from domain.errors import ArtifactError
from domain.progress import SILENT
from engine.build import BuildOptions, build
from ranking.binding import parse_binding
from tests.integration.server_process import ROOT
from tests.unit.ranking.ranking_world import MODELS, model_of, value, weighing

PAGE = (ROOT / "docs/ranker.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r"^error: .+$", PAGE, re.MULTILINE)
CREATORS, USERS, DIMENSIONS = 40, 10, 4


def bound(columns, per="candidate", extra="", rest="", output="score", name="features"):
    return f'version = 1\noutput = "{output}"\n[inputs.{name}]\nper = "{per}"\ncolumns = [{columns}]\n{extra}\n{rest}'


def taking(*shape, dtype="float32", nodes=()):
    """A model with an input "features" of this shape, and the sum of each row as its score."""
    inputs = [value("features", dtype, list(shape))]
    nodes = [*nodes, helper.make_node("ReduceSum", ["noisy" if nodes else "features", "axis"], ["score"], keepdims=1)]
    return model_of(nodes, inputs, [value("score", "float32", ["n", 1])], {"axis": np.array([1])})


def noisy(op, domain=""):
    model = taking("n", 1, nodes=[helper.make_node(op, ["features"], ["noisy"], domain=domain)])
    model.opset_import.extend([helper.make_opsetid(domain, 1)] if domain else [])
    return model


def looping():
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [], [value("y", "float32", ["n", 1])])
    return taking("n", 1, nodes=[helper.make_node("Loop", ["features"], ["noisy"], body=body)])


def across_the_batch():
    nodes = [helper.make_node("ReduceMean", ["features"], ["mean"], axes=[0]), helper.make_node("Sub", ["features", "mean"], ["score"])]
    return model_of(nodes, [value("features", "float32", ["n", 1])], [value("score", "float32", ["n", 1])])


def with_weights_in(location):
    model = onnx.load(MODELS / "torch_external.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return model


def with_metadata(text):
    model = weighing(name="features")
    model.metadata_props.add(key="earshot.binding", value=text)
    return model


ONE = weighing(name="features")
QUALITY = bound('"creator.quality"')
WIDE = '"user.embedding", "creator.embedding", "creator.followers"'
VOCABULARY = '[vocabularies]\n"creator.genre" = {{ {} }}'
CLASSES, ZIPMAP = MODELS / "sklearn_three_classes.onnx", MODELS / "sklearn_zipmap.onnx"
WITH_GAP = {"age_days": pa.array([1.0, None, *[3.0] * (USERS - 2)])}
CASES = [  # (model, binding or None, what else)
    (MODELS / "torch_two_towers.onnx", None, {}),
    (ONE, QUALITY.replace("version = 1\n", ""), {}),
    (ONE, QUALITY.replace("output", "outputs"), {}),
    (ONE, QUALITY.replace('output = "score"', ""), {}),
    (ONE, QUALITY.replace('"candidate"', '"creator"'), {}),
    (ONE, bound('"creator.Followers"'), {}),
    (ONE, bound('"creator.folowers"'), {}),
    (ONE, bound('"creator.genre"'), {}),
    (ONE, bound('"creator.quality"', per="request"), {}),
    (ONE, QUALITY + '[inputs.x]\nper = "candidate"\ncolumns = ["creator.quality"]', {}),
    (MODELS / "torch_two_towers.onnx", bound('"user.embedding"', per="request", name="user"), {}),
    (taking("n", 8), bound(WIDE), {}),
    (taking(32, 1), QUALITY, {}),
    (taking(1, 12, 4), bound('"user.history.creator.embedding"', per="request", extra="length = 10"), {}),
    (ONE, bound('"user.history"', per="request", extra="length = 10"), {}),
    (ONE, bound('"creator.topics"'), {}),
    (weighing("int64", name="features"), QUALITY, {}),
    (weighing("int8", name="features"), bound('"creator.followers"'), {}),
    (ONE, bound('"user.age_days"'), {"users": WITH_GAP}),
    (ONE, bound('"creator.followers"', rest='[defaults]\n"creator.followers" = nan'), {}),
    (ONE, bound('"user.plan"'), {}),
    (ONE, bound('"creator.genre"', rest=VOCABULARY.format('values = ["folk", "folk"]')), {}),
    (
        with_metadata(
            '{"version": 1, "output": "score", "inputs": {"features": {"per": "candidate", "columns": ["creator.genre"]}}, '
            '"vocabularies": {"creator.genre": {"file": "genres.txt"}}}'
        ),
        None,
        {},
    ),
    (ONE, bound('"creator.quality"', output="scores"), {}),
    (CLASSES, bound('"creator.quality"', output="probabilities"), {}),
    (ZIPMAP, bound('"creator.quality"', output="output_probability"), {}),
    (noisy("Mine", "my.own"), QUALITY, {}),
    (noisy("RandomNormalLike"), QUALITY, {}),
    (looping(), QUALITY, {}),
    (across_the_batch(), QUALITY, {}),
    (
        model_of(
            [
                helper.make_node("CategoryMapper", ["features"], ["code"], domain="ai.onnx.ml", cats_int64s=[1], cats_strings=["a"]),
                helper.make_node("Cast", ["code"], ["score"], to=TensorProto.FLOAT),
            ],
            [value("features", "string", ["n", 1])],
            [value("score", "float32", ["n", 1])],
        ),
        QUALITY,
        {},
    ),
    (with_weights_in("weights/ranker.data"), bound(WIDE), {}),
    (ONE, QUALITY, {"expected": {"user_id": ["user-1"], "creator_id": ["creator-2"], "score": [0.5]}}),
]


def write_tables(directory, changed_users):
    rng = np.random.default_rng(4)
    vectors = {n: pa.array(list(rng.normal(size=(n, DIMENSIONS)).astype(np.float32)), pa.list_(pa.float32())) for n in (CREATORS, USERS)}
    creators = {
        "creator_id": [f"creator-{i}" for i in range(CREATORS)],
        "embedding": vectors[CREATORS],
        "followers": [1000 + i for i in range(CREATORS)],
        "quality": [i / 8 for i in range(CREATORS)],
        "genre": ["folk"] * CREATORS,
        "topics": [[1] * (i % 3) for i in range(CREATORS)],
    }
    users = {
        "user_id": [f"user-{i}" for i in range(USERS)],
        "embedding": vectors[USERS],
        "age_days": [100.0] * USERS,
        "history": [["creator-1"] * (i % 3) for i in range(USERS)],
    }
    pq.write_table(pa.table(creators), directory / "creators.parquet")
    pq.write_table(pa.table(users | changed_users), directory / "users.parquet")


def refusal(directory, model, binding, also):
    """The line that `earshot build` prints, called from the folder of the files."""
    write_tables(directory, also.get("users", {}))
    data = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    (directory / "ranker.onnx").write_bytes(data)
    files = {"creators": "creators.parquet", "users": "users.parquet", "ranker": "ranker.onnx", "out": "bundle"}
    if binding is not None:
        (directory / "binding.toml").write_text(binding)
        files["binding"] = "binding.toml"
    if "expected" in also:
        pq.write_table(pa.table(also["expected"]), directory / "expected.parquet")
        files["expected"] = "expected.parquet"
    with pytest.raises(ArtifactError) as refused:
        build(BuildOptions(**{name: Path(file) for name, file in files.items()}, threads=1), SILENT)
    return f"error: {refused.value}"


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_refusal_is_quoted_as_the_build_says_it(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refusal(tmp_path, *CASES[case])
    assert said.splitlines()[0] in QUOTED
    assert said in PAGE


def test_every_quoted_refusal_is_tried():
    assert len(set(QUOTED)) == len(QUOTED) == len(CASES)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_binding_of_the_page_parses(block, tmp_path):
    data = tomllib.loads(block)
    for vocabulary in data.get("vocabularies", {}).values():
        if "file" in vocabulary:
            (tmp_path / vocabulary["file"]).write_text("folk\njazz\n", encoding="utf-8")
    fragment = {"version": 1, "inputs": {"x": {"per": "candidate", "columns": ["creator.followers"]}}}
    fragment |= {} if "objective" in data else {"output": "score"}
    assert parse_binding(fragment | data, "docs/ranker.md", tmp_path).inputs


def test_the_page_shows_bindings_and_names_every_recipe():
    assert len(BLOCKS) == PAGE.count("```toml") > 0
    recipes = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert {name for name in recipes if f"../examples/{name}" not in PAGE} == set()
