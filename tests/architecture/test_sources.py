"""What holds for every source file: it stays small, it reads no code out of data, it states why a check is switched off."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.tree import name, sources

_SOURCES = sources()
_MAX_FILE_LINES = 300
_MAX_FUNCTION_LINES = 60
_UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
_UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "torch.load", "pd.read_pickle"}
_UNSAFE_ARGUMENTS = {"allow_pickle", "shell"}
_NO_ROOM_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "impl", "misc"}


@pytest.mark.parametrize("path", _SOURCES, ids=name)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= _MAX_FILE_LINES, f"{name(path)} has {text.count(chr(10))} lines: one job per file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= _MAX_FUNCTION_LINES, f"{name(path)}:{node.lineno} {node.name} has {lines} lines"


@pytest.mark.parametrize("path", _SOURCES, ids=name)
def test_no_source_turns_data_into_code(path: Path) -> None:
    assert list(unsafe_places(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", _SOURCES, ids=name)
def test_a_check_that_is_switched_off_says_which_and_why(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if "# type: ignore" in line:
            assert re.search(r"# type: ignore\[[\w-]+(, ?[\w-]+)*\] +\S.*\w", line), f"{name(path)}:{number}: no code or no reason"
        if "# noqa" in line:
            assert re.search(r"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* +\S.*\w", line), f"{name(path)}:{number}: no code or no reason"


def test_no_file_is_named_after_nothing() -> None:
    assert [name(p) for p in _SOURCES if {p.stem, *p.parent.parts} & _NO_ROOM_NAMES] == []


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "eval('1')", "import os\nos.system('ls')", "np.load(f, allow_pickle=True)", "run('ls', shell=True)"],
)
def test_the_search_for_unsafe_code_finds_it(text: str) -> None:
    assert list(unsafe_places(text))


def unsafe_places(text: str) -> list[str]:
    """Lines that could run code out of a file, with what they do."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [f"{node.lineno}: import {a.name}" for a in node.names if a.name.split(".")[0] in _UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in _UNSAFE_MODULES:
            found.append(f"{node.lineno}: from {node.module}")
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {ast.unparse(node.func)}()"] if ast.unparse(node.func) in _UNSAFE_CALLS else []
            found += [
                f"{node.lineno}: {k.arg}={ast.unparse(k.value)}"
                for k in node.keywords
                if k.arg in _UNSAFE_ARGUMENTS and not (isinstance(k.value, ast.Constant) and k.value.value is False)
            ]
    return found
