from __future__ import annotations

import pytest

from demo.files import DemoFiles, demo_files
from tests.unit.demo.plain_answer import PlainAnswers


@pytest.fixture(scope="session")
def files() -> DemoFiles:
    return demo_files()


@pytest.fixture(scope="session")
def answers(files: DemoFiles) -> PlainAnswers:
    return PlainAnswers(files)
