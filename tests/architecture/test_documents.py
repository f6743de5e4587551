"""Documents point at things that exist, and committed files name no machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files, name

_PAGES = [p for p in files() if p.suffix == ".md"]
_BINARY = {".npy", ".onnx", ".parquet", ".bin", ".png", ".gz"}
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FORBIDDEN = {
    "a package registry's host": re.compile(r"\b(?:files\.)?(?:pypi|pythonhosted)\.org\b"),
    "somebody's home folder": re.compile(r"(?<![\w.])/(?:home|root|Users)/\w"),
}


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", _PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{name(page)} links to {link}"
        assert not anchor or anchor in _anchors(place), f"{name(page)} links to {link}: no such heading"


def test_the_documents_of_the_project_are_there() -> None:
    wanted = (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "docs/architecture.md",
        "docs/api.md",
        "docs/bundle.md",
        "docs/operations.md",
    )
    assert [page for page in wanted if not (ROOT / page).is_file()] == []


def test_decisions_are_numbered_without_gaps_and_say_where_they_stand() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(p.name[:4]) for p in pages] == list(range(1, len(pages) + 1))
    assert [p.name for p in pages if not re.search(r"^Status: (proposed|accepted|superseded)", p.read_text(encoding="utf-8"), re.MULTILINE)] == []


def test_no_file_names_a_registry_or_a_home() -> None:
    found = []
    for path in files():
        if path.suffix in _BINARY:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name(path)}: {what}" for what, pattern in _FORBIDDEN.items() if pattern.search(text)]
    assert found == []
