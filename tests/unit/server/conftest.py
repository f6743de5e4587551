"""What several tests of the server share."""

from __future__ import annotations

import pytest

from tests.unit.server.edge import Edge
from tests.unit.server.small_world import ToldEngine


@pytest.fixture
def edge():
    """Opens data planes, `edge(act, **settings)`, and closes them after the test."""
    opened = []

    def open_edge(act, **settings):
        opened.append(Edge(ToldEngine(act), **settings))
        return opened[-1]

    yield open_edge
    for one in opened:
        one.close()
