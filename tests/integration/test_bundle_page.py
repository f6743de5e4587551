"""docs/bundle.md, pasted: its commands build a bundle, its programs read one and make parquet that a build takes, its list of files is complete."""

import itertools
import json
import os
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest

from tests.integration.server_process import MAIN, ROOT, environment, run_command
from tests.markdown import blocks, quoted, table_under
from tests.worlds import mlp

PAGE = ROOT / "docs/bundle.md"
BLOCKS = blocks(PAGE)


def run(command, folder):
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands of the page were run, with the project's demo/ in it."""
    place = tmp_path_factory.mktemp("bundle-page")
    (place / "demo").symlink_to(ROOT / "demo")
    command = f"{sys.executable} -c '{MAIN}'"
    (first,) = [block for block in BLOCKS if block.language == "sh"]
    run(["bash", "-ec", first.text.replace(".venv/bin/earshot", command)], place)
    return place


def test_the_commands_build_verify_and_report(folder):
    assert (folder / "my-bundle/manifest.json").is_file()
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_five_lines_of_numpy_read_it(folder):
    program, shown = next((a, b) for a, b in itertools.pairwise(BLOCKS) if "np.load" in a.text)
    assert run([sys.executable, "-W", "ignore::ResourceWarning", "-c", program.text], folder) == shown.text


def test_a_csv_becomes_parquet_that_a_build_takes(tmp_path):
    (example,) = [block for block in BLOCKS if block.language == "csv"]
    (program,) = [block for block in BLOCKS if "read_csv" in block.text]
    (tmp_path / "creators.csv").write_text(example.text, encoding="utf-8")
    run([sys.executable, "-c", program.text], tmp_path)
    onnx.save(mlp({"x": 5}, [2], np.random.default_rng(1)), tmp_path / "ranker.onnx")
    columns = '["user.embedding", "creator.embedding", "creator.followers"]'
    (tmp_path / "binding.toml").write_text(f'version = 1\noutput = "score"\n[inputs.x]\nper = "candidate"\ncolumns = {columns}\n')
    files = [
        f"--{name}={tmp_path / file}" for name, file in (("creators", "creators.parquet"), ("ranker", "ranker.onnx"), ("binding", "binding.toml"))
    ]
    done = run_command("build", *files, "--out", str(tmp_path / "bundle"), timeout_s=60)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "bundle/creators/table.json").read_text())
    assert table["market_names"] == ["SE", "GB"]
    assert {column["name"]: column["meaning"] for column in table["columns"]} == {"followers": "number", "create_time": "time"}


def test_every_file_of_a_bundle_is_in_the_list(folder):
    patterns = [_pattern(path) for row in table_under(PAGE, "path") for path in quoted(row[0])]
    names = [os.path.relpath(path, folder / "my-bundle") for path in (folder / "my-bundle").rglob("*") if path.is_file()]
    assert len(names) > 40
    assert [name for name in names if not any(pattern.fullmatch(name) for pattern in patterns)] == []


def _pattern(path):
    escaped = re.escape(path).replace("<name>", "[a-z][a-z0-9_]*").replace(r"\*", "[^/]*").replace(re.escape("..."), ".*")
    return re.compile(escaped)
