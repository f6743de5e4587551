"""examples/own_listens.py: from tables to a slate, with the project's own commands, where the training extra is installed (`make recipes`)."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.server_process import ROOT, environment

PYTHON = Path(os.environ.get("EARSHOT_TRAIN_PYTHON", ROOT / ".venv-train/bin/python"))


def free_ports(count):
    """Ports that are free now."""
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the example prints, and where it wrote."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make recipes, or name another one with EARSHOT_TRAIN_PYTHON")
    look = "import importlib.util as u; print([n for n in ('torch', 'sklearn', 'pyarrow') if not u.find_spec(n)])"
    missing = subprocess.run([PYTHON, "-c", look], capture_output=True, text=True, check=True).stdout.strip()
    if missing != "[]":
        pytest.skip(f"{PYTHON} has no {missing}")
    out = tmp_path_factory.mktemp("own") / "my run"
    words = [PYTHON, ROOT / "examples/own_listens.py", out, "--context", "hour=18", "--context", "place=gym", "--ports", *free_ports(3)]
    ran = subprocess.run([str(word) for word in words], env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, out


def test_the_example_goes_all_the_way_from_tables_to_a_slate(printed):
    text, out = printed
    assert re.findall(r"^\$ earshot (\w+)", text, re.MULTILINE) == ["train", "build", "evaluate", "query"]
    assert (out / "bundle/manifest.json").exists()
    assert len(set(re.findall(r"Creator \d+", text.rpartition("$ earshot query")[2]))) == 10


def test_its_ranker_reads_what_its_tables_have(printed):
    binding = (printed[1] / "trained/binding.toml").read_text(encoding="utf-8")
    for column in ("creator.energy", "user.country", "context.place", "context.hour", "user.history.creator.embedding"):
        assert f'"{column}"' in binding
