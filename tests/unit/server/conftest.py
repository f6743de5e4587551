"""What several tests of the server share."""

from __future__ import annotations

import pytest

from tests.unit.server.edge import Edge
from tests.unit.server.small_world import ToldEngine


@pytest.fixture
def edge():
    """Opens data planes, `edge(act, costs=(least_s, full_s), **settings)`, and closes them after the test."""
    opened = []

    def open_edge(act, costs=(0.0, 0.0), **settings):
        opened.append(Edge(ToldEngine(act, costs), **settings))
        return opened[-1]

    yield open_edge
    for one in opened:
        one.close()
