"""`python -m loadtest` as a process, as far as it goes without locust: how it ends when it cannot begin."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT


def _run(*words: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": ":".join(str(ROOT / part) for part in ("", "gen", "client"))}
    command = [sys.executable, "-m", "loadtest", *words]
    return subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("smoke", "--target", "127.0.0.1:1"), 69, "start a server with make serve"),
        (("smoke", "--target", "example.com:1"), 64, "give --ca-file for TLS, or --insecure"),
        (("smoke", "--users-file", "nowhere.txt"), 66, "nowhere.txt"),
        (("tsunami",), 64, "tsunami"),
    ],
)
def test_what_cannot_begin_ends_with_one_line_and_a_code_of_its_own(words: tuple[str, ...], code: int, text: str, tmp_path: Path) -> None:
    ended = _run(*words, directory=tmp_path)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert text in ended.stderr
