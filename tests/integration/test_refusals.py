"""Every refusal of the command is one line, `error: <file>: <REASON>: <text>`, with an exit code that says what kind it is, and never a traceback."""

import json
import os
import re
import shutil
import socket
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from cli.main import main
from tests.integration.hostile_bundles import HOSTILE
from tests.integration.mutated_bundles import seal
from tests.integration.server_process import run_command
from tests.worlds import row_wise_world

FAILURE, BAD_ARTIFACT, USAGE, NO_INPUT, CANNOT_WRITE, CONFIGURATION = 1, 2, 64, 66, 73, 78
FORM = re.compile(r"error: [^\n]+?: ([A-Z_]+): [^\n]{10,}")


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """The files of a small team: 80 creators, 50 users, a ranker with its binding."""
    directory = tmp_path_factory.mktemp("brought")
    row_wise_world(directory, creator_count=80, dimension_count=5)
    return directory


@pytest.fixture
def files(brought, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(brought, tmp_path / "files")


@pytest.fixture(scope="module")
def bundle(brought, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "bundle"
    assert main(["build", *flags(brought), "--out", str(out), "--json"]) == 0
    return out


def flags(directory: Path) -> list[str]:
    names = {"creators": "creators.parquet", "users": "users.parquet", "ranker": "ranker.onnx", "binding": "binding.toml"}
    return [part for flag, name in names.items() for part in (f"--{flag}", str(directory / name))]


def refused(capsys, *arguments) -> tuple[int, str, str]:
    """(exit code, REASON, what stdout got) of a command in this process."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    *before, last = said.err.splitlines() or [""]
    form = FORM.fullmatch(last)
    assert form is not None, said.err
    assert not [line for line in before if "error" in line.lower() or "Traceback" in line], said.err
    return code, form[1], said.out


def column(name, change):
    """Rewrites one column of creators.parquet."""

    def spoil(files):
        path = files / "creators.parquet"
        table = pq.read_table(path)
        values = table[name].to_pylist()
        change(values)
        place = table.column_names.index(name)
        pq.write_table(table.set_column(place, name, pa.array(values, table.schema.field(name).type)), path)

    return spoil


def put(row, value):
    return lambda values: values.__setitem__(row, value)


def without(name):
    def spoil(files):
        path = files / "creators.parquet"
        pq.write_table(pq.read_table(path).drop_columns([name]), path)

    return spoil


def written(name, content):
    return lambda files: (files / name).write_bytes(content)


def cut(name, size):
    return lambda files: os.truncate(files / name, size)


def model(change):
    def spoil(files):
        loaded = onnx.load(files / "ranker.onnx")
        change(loaded)
        onnx.save(loaded, files / "ranker.onnx")

    return spoil


def with_loop(loaded):
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("c", TensorProto.BOOL, [])])
    loaded.graph.node.insert(0, helper.make_node("Loop", ["", ""], [], body=body))


def with_400_gb(loaded):
    loaded.graph.initializer.append(helper.make_tensor("big", TensorProto.INT64, [2], [10**6, 10**5]))
    loaded.graph.node.append(helper.make_node("ConstantOfShape", ["big"], ["lots"]))


def with_weights_elsewhere(place):
    def change(loaded):
        tensor = loaded.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place

    return change


def expecting(score):
    def spoil(files):
        users, creators = pq.read_table(files / "users.parquet"), pq.read_table(files / "creators.parquet")
        table = {"user_id": users["user_id"].to_pylist()[:1], "creator_id": creators["creator_id"].to_pylist()[:1], "score": [score]}
        pq.write_table(pa.table(table), files / "expected.parquet")

    return spoil


BAD_INPUTS = {
    "no creators": (lambda files: (files / "creators.parquet").unlink(), NO_INPUT, "INPUT_NOT_FOUND"),
    "creators are a folder": (
        lambda files: ((files / "creators.parquet").unlink(), (files / "creators.parquet").mkdir()),
        NO_INPUT,
        "INPUT_NOT_FOUND",
    ),
    "creators empty": (written("creators.parquet", b""), BAD_ARTIFACT, "INPUT_INVALID"),
    "creators are CSV": (written("creators.parquet", b"creator_id,embedding\na,1\n"), BAD_ARTIFACT, "INPUT_INVALID"),
    "creators cut": (cut("creators.parquet", 500), BAD_ARTIFACT, "INPUT_INVALID"),
    "creators of random bytes": (written("creators.parquet", b"PAR1" + np.random.default_rng(0).bytes(500) + b"PAR1"), BAD_ARTIFACT, "INPUT_INVALID"),
    "users cut": (cut("users.parquet", 900), BAD_ARTIFACT, "INPUT_INVALID"),
    "no users": (lambda files: (files / "users.parquet").unlink(), NO_INPUT, "INPUT_NOT_FOUND"),
    "no id": (without("creator_id"), BAD_ARTIFACT, "INPUT_INVALID"),
    "no embedding": (without("embedding"), BAD_ARTIFACT, "INPUT_INVALID"),
    "no bound column": (without("quality"), BAD_ARTIFACT, "BINDING_INVALID"),
    "an id is null": (column("creator_id", put(3, None)), BAD_ARTIFACT, "INPUT_INVALID"),
    "an id twice": (column("creator_id", lambda ids: ids.__setitem__(3, ids[4])), BAD_ARTIFACT, "INPUT_INVALID"),
    "an id empty": (column("creator_id", put(3, "")), BAD_ARTIFACT, "INPUT_INVALID"),
    "an id too long": (column("creator_id", put(3, "x" * 65)), BAD_ARTIFACT, "INPUT_INVALID"),
    "an id of two lines": (column("creator_id", put(3, "a\nb")), BAD_ARTIFACT, "INPUT_INVALID"),
    "an embedding is null": (column("embedding", put(3, None)), BAD_ARTIFACT, "INPUT_INVALID"),
    "an embedding not finite": (column("embedding", put(3, [float("nan")] * 5)), BAD_ARTIFACT, "INPUT_INVALID"),
    "an embedding of zeros": (column("embedding", put(3, [0.0] * 5)), BAD_ARTIFACT, "INPUT_INVALID"),
    "an embedding too short": (column("embedding", put(3, [1.0])), BAD_ARTIFACT, "INPUT_INVALID"),
    "a feature is null": (column("quality", put(3, None)), BAD_ARTIFACT, "INPUT_INVALID"),
    "a feature not finite": (column("quality", put(3, float("inf"))), BAD_ARTIFACT, "INPUT_INVALID"),
    "no ranker": (lambda files: (files / "ranker.onnx").unlink(), NO_INPUT, "INPUT_NOT_FOUND"),
    "ranker empty": (written("ranker.onnx", b""), BAD_ARTIFACT, "MODEL_INVALID"),
    "ranker of random bytes": (written("ranker.onnx", np.random.default_rng(0).bytes(5000)), BAD_ARTIFACT, "MODEL_INVALID"),
    "ranker cut": (cut("ranker.onnx", 2000), BAD_ARTIFACT, "MODEL_INVALID"),
    "opset of the future": (model(lambda m: setattr(m.opset_import[0], "version", 99)), BAD_ARTIFACT, "MODEL_UNSUPPORTED"),
    "IR of the future": (model(lambda m: setattr(m, "ir_version", 99)), BAD_ARTIFACT, "MODEL_UNSUPPORTED"),
    "foreign operators": (model(lambda m: setattr(m.graph.node[0], "domain", "evil")), BAD_ARTIFACT, "MODEL_FORBIDDEN_OP"),
    "a loop": (model(with_loop), BAD_ARTIFACT, "MODEL_FORBIDDEN_OP"),
    "400 GB": (model(with_400_gb), BAD_ARTIFACT, "MODEL_FORBIDDEN_OP"),
    "weights above": (model(with_weights_elsewhere("../secret")), BAD_ARTIFACT, "MODEL_EXTERNAL_DATA"),
    "weights at /": (model(with_weights_elsewhere("/etc/hostname")), BAD_ARTIFACT, "MODEL_EXTERNAL_DATA"),
    "another width": (
        written(
            "binding.toml",
            b'version = 1\noutput = "score"\n[inputs.features]\nper = "candidate"\ncolumns = ["user.embedding", "creator.embedding"]\n',
        ),
        BAD_ARTIFACT,
        "MODEL_SIGNATURE",
    ),
    "no binding file": (lambda files: (files / "binding.toml").unlink(), NO_INPUT, "INPUT_NOT_FOUND"),
    "binding is no TOML": (written("binding.toml", b"version = \n"), BAD_ARTIFACT, "BINDING_INVALID"),
    "binding is no text": (written("binding.toml", b"\xff\xfe"), BAD_ARTIFACT, "BINDING_INVALID"),
    "binding nested deeply": (written("binding.toml", b"a = " + b"[" * 100_000), BAD_ARTIFACT, "BINDING_INVALID"),
    "binding of nothing": (written("binding.toml", b"version = 1\n"), BAD_ARTIFACT, "BINDING_INVALID"),
    "expected is no parquet": (written("expected.parquet", b"hello"), BAD_ARTIFACT, "INPUT_INVALID"),
    "expected another score": (expecting(1e6), BAD_ARTIFACT, "QUALITY_GATE"),
}


@pytest.mark.parametrize(("spoil", "code", "reason"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_a_build_of_bad_inputs_is_refused_and_leaves_nothing(files, tmp_path, capsys, spoil, code, reason):
    spoil(files)
    expected = ["--expected", files / "expected.parquet"] if (files / "expected.parquet").exists() else []
    assert refused(capsys, "build", *flags(files), *expected, "--out", tmp_path / "out")[:2] == (code, reason)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


BAD_FLAGS = {
    "expected is not there": (["--expected", "/nowhere.parquet"], NO_INPUT),
    "out exists": (["--out", "/"], CANNOT_WRITE),
    "out is nowhere": (["--out", "/nowhere/at/all"], CANNOT_WRITE),
    "no candidates": (["--candidates", "0"], CONFIGURATION),
    "too many candidates": (["--candidates", "5001"], CONFIGURATION),
    "recall above one": (["--recall", "1.5"], CONFIGURATION),
    "recall is no number": (["--recall", "much"], USAGE),
    "a space that is none": (["--space", "l2"], USAGE),
    "a flag that is none": (["--no-such-flag"], USAGE),
    "a column that is none": (["--ignore-column", "nothing"], CONFIGURATION),
    "a version of two lines": (["--bundle-version", "a\nb"], CONFIGURATION),
}


@pytest.mark.parametrize(("arguments", "code"), BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_a_build_with_bad_flags_is_refused(brought, tmp_path, capsys, arguments, code):
    assert refused(capsys, "build", *flags(brought), "--out", tmp_path / "out", *arguments)[0] == code
    assert list(tmp_path.iterdir()) == []


def test_a_build_without_a_binding_prints_one_to_complete(brought, tmp_path, capsys):
    code, reason, said = refused(capsys, "build", *flags(brought)[:-2], "--out", tmp_path / "out")
    assert (code, reason) == (BAD_ARTIFACT, "BINDING_INVALID")
    assert tomllib.loads(said)["inputs"]


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_bundles_that_are_none_are_refused(command, bundle, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "two\nlines").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, code in (
        (tmp_path / "nowhere", NO_INPUT),
        (tmp_path / "file", BAD_ARTIFACT),
        (tmp_path, BAD_ARTIFACT),
        (tmp_path / "two\nlines", BAD_ARTIFACT),
    ):
        assert refused(capsys, command, path)[0] == code
    assert refused(capsys, command, tmp_path / "loop")[0] in {NO_INPUT, BAD_ARTIFACT}
    assert refused(capsys, command, bundle, "--such")[0] == USAGE
    assert refused(capsys, command)[0] == USAGE


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if name.startswith(("manifest", "no manifest", "binding", "table.json", "a profile", "an index"))]
)
def test_what_inspect_reads_is_refused_or_shown(bundle, tmp_path, capsys, name):
    path = shutil.copytree(bundle, tmp_path / "bundle")
    HOSTILE[name](path)
    seal(path)
    try:
        assert main(["inspect", str(path)]) == 0
    except SystemExit as end:
        raise AssertionError("no usage error") from end
    except AssertionError:
        assert refused(capsys, "inspect", path)[0] == BAD_ARTIFACT


def test_texts_of_a_bundle_are_shown_as_they_are(bundle, tmp_path, capsys):
    """They are not commands to whatever draws the tables."""
    path = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["version"] = "[/bold] [red]v1"
    (path / "manifest.json").write_text(json.dumps(manifest))
    seal(path)
    assert main(["inspect", str(path)]) == 0
    assert "[/bold] [red]v1" in capsys.readouterr().out


def serve(*arguments):
    ports = ("--port", "0", "--control-port", "0", "--metrics-port", "0", "--log-level", "error")
    done = run_command("serve", *ports, *map(str, arguments))
    *before, last = [line for line in done.stderr.splitlines() if not line.startswith("{")] or [""]
    assert FORM.fullmatch(last), done.stderr
    assert (before, "Traceback" in done.stderr) == ([], False)
    return done.returncode, FORM.fullmatch(last)[1]


def test_serve_refuses_in_the_same_form(bundle, tmp_path):
    damaged, hostile = tmp_path / "damaged", tmp_path / "hostile"
    shutil.copytree(bundle, damaged)
    os.truncate(damaged / "creators" / "ids.npy", 100)
    shutil.copytree(bundle, hostile)
    HOSTILE["an objective of no head"](hostile)
    seal(hostile)
    (tmp_path / "broken.toml").write_text("port = [")
    assert serve("--bundle", tmp_path / "nowhere") == (NO_INPUT, "INPUT_NOT_FOUND")
    assert serve("--bundle", damaged) == (BAD_ARTIFACT, "CHECKSUM_MISMATCH")
    assert serve("--bundle", hostile) == (BAD_ARTIFACT, "MANIFEST_INVALID")
    assert serve("--bundle", bundle, "--threads", "0") == (CONFIGURATION, "CONFIGURATION_INVALID")
    assert serve("--bundle", bundle, "--config", tmp_path / "broken.toml") == (CONFIGURATION, "CONFIGURATION_INVALID")
    assert serve("--bundle", bundle, "--no-such-flag") == (USAGE, "USAGE")
    assert serve("--bundles", tmp_path / "nowhere") == (NO_INPUT, "INPUT_NOT_FOUND")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert serve("--bundle", bundle, "--port", taken.getsockname()[1]) == (FAILURE, "PORT_IN_USE")
