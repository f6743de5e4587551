"""Bindings: TOML and metadata, what they say about columns, and every way in which one is refused."""

import json
import math
import tomllib

import onnx
import pytest

from domain.columns import Vocabulary
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from ranking.binding import parse_binding, read_binding
from ranking.bound import Binding
from tests.unit.ranking.ranking_world import MODELS, weighing

GOOD = """
version = 1
objective = { p_follow = 1.0, p_stream = 0.3 }
[inputs.features]
per = "candidate"
columns = ["user.embedding", "user.age", "user.age.present", "creator.genre", "creator.rare.present", "context.hour", "retrieval.similarity"]
[inputs.history]
per = "request"
columns = ["user.history.creator.embedding", "user.history.creator.quality", "user.history.mask"]
length = 5
[vocabularies]
"creator.genre" = { values = ["rock", "jazz"], first = 1, unknown = 0 }
[defaults]
"context.hour" = nan
"user.age" = 30
"user.history" = []
"creator.genre" = "jazz"
"""


def parse(text, directory=None):
    return parse_binding(tomllib.loads(text), "binding.toml", directory)


def test_a_binding_says_which_columns_it_reads_and_how():
    binding = parse(GOOD)
    assert binding.bound == {"user.age", "creator.genre", "creator.rare", "context.hour", "user.history", "creator.quality"}
    assert binding.creator_sequences == {"user.history"}
    assert binding.sequences == {"user.history"}
    assert binding.nullable == {"context.hour", "user.age", "user.history", "creator.genre", "creator.rare"}
    assert binding.vocabularies == {"creator.genre": Vocabulary(("rock", "jazz"), 1, 0)}
    assert [h.output for h in binding.heads] == ["p_follow", "p_stream"]


def test_json_and_back_is_the_same_binding():
    binding = parse(GOOD)
    again = Binding.from_json(json.loads(json.dumps(binding.to_json(), allow_nan=False)))
    assert math.isnan(again.defaults["context.hour"])
    assert again.to_json() == binding.to_json()


def test_an_output_may_pick_a_column():
    binding = parse('version = 1\noutput = "probabilities[1]"\n[inputs.x]\nper = "candidate"\ncolumns = ["creator.embedding"]')
    assert [(h.output, h.column) for h in binding.heads] == [("probabilities", 1)]


def test_a_vocabulary_may_lie_in_a_file_beside_the_binding(tmp_path):
    (tmp_path / "countries.txt").write_text("SE\nGB\n")
    binding = parse(GOOD.replace('values = ["rock", "jazz"]', 'file = "countries.txt"').replace('"jazz"', '"GB"'), tmp_path)
    assert binding.vocabularies["creator.genre"].values == ("SE", "GB")


def test_the_metadata_of_the_model_may_hold_the_binding(tmp_path):
    model = weighing()
    binding = {"version": 1, "output": "score", "inputs": {"x": {"per": "candidate", "columns": ["creator.quality"]}}}
    onnx.helper.set_model_props(model, {"earshot.binding": json.dumps(binding)})
    onnx.save(model, tmp_path / "model.onnx")
    assert read_binding(tmp_path / "model.onnx", None).bound == {"creator.quality"}
    (tmp_path / "binding.toml").write_text(GOOD)
    assert "user.age" in read_binding(tmp_path / "model.onnx", tmp_path / "binding.toml").bound, "a file wins over the metadata"


def test_without_any_binding_the_refusal_brings_one_to_paste():
    with pytest.raises(ArtifactError) as refused:
        read_binding(MODELS / "torch_dynamo_attention.onnx", None)
    assert refused.value.reason is ArtifactReason.BINDING_INVALID
    assert "stdout" in refused.value.text
    skeleton = parse(refused.value.example)
    assert [(i.name, i.per, i.length) for i in skeleton.inputs] == [
        ("creator", "candidate", 0),
        ("history", "request", 6),
        ("history_mask", "request", 0),
    ]
    assert "add up to 8" in refused.value.example


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version = 1", "version = 2", "version is 2; this build reads version = 1"),
        ("version = 1", "", "version is missing"),
        ("version = 1", "version = 1\nspeed = 3", 'unknown key "speed"'),
        ("objective = { p_follow = 1.0, p_stream = 0.3 }", "", "exactly one"),
        ("version = 1", 'version = 1\noutput = "score"', "exactly one"),
        ("{ p_follow = 1.0, p_stream = 0.3 }", "{}", "at least one output"),
        ("p_stream = 0.3", "p_stream = nan", "finite"),
        ("p_stream = 0.3", "p_stream = true", "finite"),
        ('per = "candidate"', 'per = "user"', "per is 'user'"),
        ('per = "candidate"', 'per = "candidate"\nwidth = 3', 'unknown key "width"'),
        ("length = 5", "length = 0", "length is 0"),
        ("length = 5", "length = 1000000", "length is 1000000"),
        ("length = 5", 'length = "5"', "length is '5'"),
        ('"user.age",', '"user.Age",', '"user.Age" is no column'),
        ('"user.age",', '"age",', '"age" is no column'),
        ('"user.age",', '"listener.age",', '"listener.age" is no column'),
        ('"user.age.present"', '"user.age.mean"', '"user.age.mean" is no column'),
        ('"user.age.present"', '"user.embedding.present"', 'write "user.embedding"'),
        ('"user.age.present"', '"creator.history.creator.embedding"', "is no column"),
        ('"user.history.mask"', '"creator.rare"', 'differs between candidates, but per = "request"'),
        ('"user.history.mask"', '"retrieval.similarity"', 'differs between candidates, but per = "request"'),
        ('["rock", "jazz"]', '["rock", "rock"]', '"rock" occurs twice'),
        ('["rock", "jazz"]', "[1, 2]", "list of texts"),
        ('["rock", "jazz"]', "[]", "list of texts"),
        ('values = ["rock", "jazz"]', 'values = ["rock"], file = "x.txt"', "either values or file"),
        ('values = ["rock", "jazz"]', 'file = "../x.txt"', "without folders"),
        ('values = ["rock", "jazz"]', 'file = "missing.txt"', "cannot be read"),
        ("first = 1", "first = 1.5", "first is 1.5"),
        ("first = 1", "first = 9223372036854775807", "no room"),
        ('"creator.genre" = {', '"creator.genre.present" = {', "cannot have one"),
        ('"user.age" = 30', '"user.age" = "young"', "a text needs a vocabulary"),
        ('"user.age" = 30', '"user.age" = inf', "a finite number"),
        ('"user.age" = 30', '"user.age" = 1979-05-27', "a finite number"),
        ('"user.age" = 30', '"user.embedding" = 0.0', "cannot have one"),
        ('"creator.genre" = "jazz"', '"creator.genre" = 3', "since it has a vocabulary"),
        ("[defaults]", "[defaults]\nage = 3", '"age" is no column'),
    ],
)
def test_a_wrong_binding_is_refused_with_what_to_write(tmp_path, old, new, says):
    assert old in GOOD
    with pytest.raises(ArtifactError) as refused:
        parse(GOOD.replace(old, new, 1), tmp_path)
    assert refused.value.reason is ArtifactReason.BINDING_INVALID
    assert says in refused.value.text


@pytest.mark.parametrize("text", ["version = ", "\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, text):
    path = tmp_path / "binding.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match="is not TOML"):
        read_binding(MODELS / "sklearn_mlp.onnx", path)


def test_a_binding_that_is_not_there_is_an_absent_input(tmp_path):
    with pytest.raises(InputNotFound):
        read_binding(MODELS / "sklearn_mlp.onnx", tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["{", "[1]", '{"version": 1}'])
def test_bad_metadata_is_refused(tmp_path, text):
    model = weighing()
    onnx.helper.set_model_props(model, {"earshot.binding": text})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactError) as refused:
        read_binding(tmp_path / "model.onnx", None)
    assert refused.value.reason is ArtifactReason.BINDING_INVALID


def test_metadata_cannot_name_files(tmp_path):
    with pytest.raises(ArtifactError, match="cannot name files"):
        parse(GOOD.replace('values = ["rock", "jazz"]', 'file = "x.txt"'), None)
