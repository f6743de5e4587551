"""The locks hold what pyproject.toml asks for, with hashes, and name no host."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_EXTRAS = _PROJECT["optional-dependencies"]
_NOT_FOR_LOAD = {line for line in (ROOT / "requirements/load-excludes.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def _pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in _PIN.findall(text)}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("setup.txt", [*_PROJECT["dependencies"], *_EXTRAS["build"], *_EXTRAS["dev"]]),
        ("train.txt", [*_PROJECT["dependencies"], *_EXTRAS["build"], *_EXTRAS["train"]]),
        ("load.txt", [*(r for r in _PROJECT["dependencies"] if Requirement(r).name not in _NOT_FOR_LOAD), *_EXTRAS["load"]]),
        ("recipes.txt", [*_PROJECT["dependencies"], *_EXTRAS["build"], *_EXTRAS["train"], *_EXTRAS["recipes"]]),
    ],
)
def test_a_lock_satisfies_every_dependency_of_the_project(lock: str, wanted: list[str]) -> None:
    pins = _pins(lock)
    for requirement in map(Requirement, wanted):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{lock} lacks {requirement.name}: run make lock"
        assert requirement.specifier.contains(pinned, prereleases=True), f"{lock} pins {requirement.name} {pinned}: run make lock"


@pytest.mark.parametrize("lock", ["setup.txt", "train.txt", "load.txt", "recipes.txt", "hnswlib-build.txt", "lock.txt"])
def test_every_pin_of_a_lock_has_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(_pins(lock))
    assert [e.split()[0] for e in entries if "--hash=sha256:" not in e] == []


@pytest.mark.parametrize("lock", ["train.txt", "load.txt", "recipes.txt", "hnswlib-build.txt"])
def test_the_locks_agree_about_what_they_share(lock: str) -> None:
    setup = _pins("setup.txt")
    assert {name: version for name, version in _pins(lock).items() if setup.get(name, version) != version} == {}


def test_the_load_generator_needs_nothing_that_is_compiled_and_serving_nothing_of_its() -> None:
    assert _NOT_FOR_LOAD & set(_pins("load.txt")) == set()
    assert {"locust", "gevent"} & (set(_pins("setup.txt")) | set(_pins("train.txt"))) == set()


def test_the_recipes_extend_the_environment_of_training() -> None:
    assert _pins("train.txt").items() <= _pins("recipes.txt").items()


def test_torch_stays_out_of_the_hashed_locks() -> None:
    """Its builds for one processor have other hashes than the public file."""
    assert "torch" not in _pins("train.txt") | _pins("setup.txt") | _pins("recipes.txt")
    assert list(_pins("torch.txt")) == ["torch"]
