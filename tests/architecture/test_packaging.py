"""Our flat top-level packages meet no stranger of the same name (docs/adr/0001)."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_SERVED = [p for p in PACKAGES if p not in {"bench", "loadtest"}]  # those two stay in the checkout


@pytest.mark.parametrize("package", [p for p in PACKAGES if (ROOT / p).is_dir()])
def test_a_top_level_package_comes_from_our_tree_and_from_nowhere_else(package: str) -> None:
    others = set(importlib.metadata.packages_distributions().get(package, [])) - {"earshot"}
    assert not others, f"{sorted(others)} install a package {package!r} too: whichever comes first on sys.path wins"
    found = importlib.util.find_spec(package)
    origin = found.origin if found else None
    assert origin is not None, f"{package} cannot be imported, or has no __init__.py"
    assert Path(origin).resolve().is_relative_to(ROOT), f"{package} comes from {origin}"


def test_the_stubs_come_from_our_tree() -> None:
    module = importlib.import_module("earshot.v1.types_pb2")
    assert module.__file__ is not None
    assert Path(module.__file__).resolve().is_relative_to(ROOT / "gen")


def test_the_namespace_stays_open_for_both_of_its_portions() -> None:
    assert not (ROOT / "gen/earshot/__init__.py").exists()
    assert not (ROOT / "client/earshot/__init__.py").exists()


def test_the_project_can_never_be_uploaded() -> None:
    assert "Private :: Do Not Upload" in _PROJECT["project"]["classifiers"]


def test_the_wheel_the_type_checker_and_the_import_linter_know_every_package() -> None:
    tool = _PROJECT["tool"]
    assert set(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == {*_SERVED, "gen/earshot", "client/earshot"}
    assert set(tool["mypy"]["packages"]) >= set(PACKAGES)
    assert set(tool["importlinter"]["root_packages"]) >= set(_SERVED)


def test_every_folder_with_python_code_is_a_package_that_the_tools_know() -> None:
    folders = {p.parent.name for p in ROOT.glob("*/__init__.py")}
    assert folders <= {*PACKAGES, "tests"}, "a new top-level package belongs into pyproject.toml and tests/architecture/tree.py"
