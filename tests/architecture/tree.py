"""The files of the project as the architecture tests see them: found by walking, so that a copy without its history is checked too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "bundle", "retrieval", "ranking", "slate", "engine", "server", "cli", "demo", "training", "evaluation", "bench", "loadtest")
_SKIPPED = {"__pycache__", "build", "dist", "out", "shared"}  # caches and outputs; all of them are ignored by git
_HIDDEN_AND_OURS = {".ci", ".editorconfig", ".gitattributes", ".gitignore"}


def files() -> list[Path]:
    """Every file that is committed, or would be, in a steady order."""
    return sorted(_walk())


def sources() -> list[Path]:
    """The Python files of the packages, of the client and of the examples, without what is generated and without tests."""
    return [p for p in files() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in {*PACKAGES, "client", "examples"}]


def name(path: Path) -> str:
    """The path as it is written in messages."""
    return str(path.relative_to(ROOT))


def _walk() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if _kept(f) and not f.endswith(".egg-info")]
        yield from (Path(folder, n) for n in names if _kept(n))


def _kept(part: str) -> bool:
    return part not in _SKIPPED and (not part.startswith(".") or part in _HIDDEN_AND_OURS)
