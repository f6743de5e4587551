"""What a process has imported when it serves, or when it is about to fork. The doors between the rooms are `make imports`."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT


@functools.cache
def imported_by(module: str) -> set[str]:
    """The top-level modules of a fresh interpreter that has imported `module`."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    path = os.pathsep.join(str(ROOT / part) for part in ("", "gen", "client"))
    environment = {**os.environ, "PYTHONPATH": path}
    return set(subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["server.control", "server.generation", "server.worker"])
def test_serving_imports_nothing_that_only_builds_need(module: str) -> None:
    assert imported_by(module) & {"onnx", "pyarrow", "rich", "demo", "bench"} == set()


def test_a_generation_has_neither_grpc_nor_onnxruntime_before_it_forks() -> None:
    """Neither survives a fork (docs/adr/0002)."""
    assert imported_by("server.generation") & {"grpc", "onnxruntime"} == set()


def test_the_control_process_loads_no_native_search_and_no_ranker() -> None:
    assert imported_by("server.control") & {"hnswlib", "onnxruntime"} == set()


def test_the_client_needs_none_of_the_rooms() -> None:
    rooms = {"domain", "bundle", "retrieval", "ranking", "slate", "engine", "server", "cli"}
    assert imported_by("earshot.client") & rooms == set()
