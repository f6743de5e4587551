"""Which code was measured: parts of a proof that were measured on different code do not belong together."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = ("bundle", "cli", "client", "domain", "engine", "evaluation", "gen", "ranking", "retrieval", "server", "slate")
MEASURING = ("bench/promise", "loadtest/open_loop")


@cache
def code_version() -> str:
    """A short hash of the sources of the server, and of what measures it."""
    found = hashlib.sha256()
    for folder in (*MEASURED, *MEASURING):
        for file in sorted((ROOT / folder).rglob("*.py")):
            found.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]
