"""What to type to run this program again: people paste what it prints."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NAME = "earshot"


def program(called: str | None = None) -> str:
    """`earshot` where the shell finds this one under that name, else the path that it was called by. called: as in sys.argv[0]."""
    path = Path(sys.argv[0] if called is None else called)
    found = shutil.which(NAME)
    if path.name != NAME or (found is not None and Path(found).resolve() == path.resolve()):
        return NAME
    return str(path)
