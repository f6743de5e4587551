"""docs/quality.md shows the figures of docs/quality.json and no others."""

from __future__ import annotations

import pytest

from evaluation.markdown import blocks, fill
from evaluation.result import read_evaluation
from tests.architecture.tree import ROOT

PAGE, FIGURES = ROOT / "docs/quality.md", ROOT / "docs/quality.json"


def test_the_page_has_a_place_for_every_block():
    page = PAGE.read_text("utf-8")
    for name in ("facts", "main", "cold", "cold-only", "gains", "sweep", "ablations"):
        assert fill(page, {name: "here\n"}).count("here\n") == 1, name


def test_the_figures_on_the_page_are_those_that_were_measured():
    if not FIGURES.exists():
        pytest.skip("nothing was measured yet: earshot evaluate --json docs/quality.json --markdown docs/quality.md")
    page = PAGE.read_text("utf-8")
    assert fill(page, blocks(read_evaluation(FIGURES.read_text("utf-8")))) == page
