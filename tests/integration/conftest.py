"""What several integration tests share."""

from __future__ import annotations

import pytest

from demo.files import EMERGING_TIER, SPACE, demo_files
from domain.progress import SILENT
from engine.build import BuildOptions, build
from tests.integration.server_process import ServerProcess


@pytest.fixture(scope="session")
def demo_bundle(tmp_path_factory):
    """The demo world, built once. Never write into it."""
    files, out = demo_files(), tmp_path_factory.mktemp("demo-bundle") / "bundle"
    inputs = {"creators": files.creators, "users": files.users, "ranker": files.ranker, "binding": files.binding, "expected": files.expected}
    build(BuildOptions(**inputs, out=out, space=SPACE, emerging_tiers=(EMERGING_TIER,), bundle_version="demo-1", threads=1), SILENT)
    return out


@pytest.fixture(scope="session")
def demo_server(demo_bundle, tmp_path_factory):
    """The demo bundle, served by two workers, for tests that leave the processes alone."""
    with ServerProcess(tmp_path_factory.mktemp("demo-server"), "--bundle", str(demo_bundle), "--access-logs-per-s", "1000") as server:
        yield server
