"""Holds the columns that are to be ignored against the files. Build time only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

from bundle.parquet import open_parquet
from bundle.rules import ReadRules
from domain.errors import ConfigurationError

MANY = 30  # columns that a message names: more are no help


def check_ignored(ignored: Iterable[str], files: Mapping[str, Path]) -> None:
    """Raise ConfigurationError for the first of `ignored` that no file has as a column: a name mistyped would leave the column in, unseen.

    ignored: as `genre` or as `creator.genre`. files: by side ("creator", "user"). Raises what `open_parquet` raises for files that cannot be read.
    """
    names = sorted(ignored)
    if not names:
        return
    full_names = [column.full_name for side, file in files.items() for column in open_parquet(file, side, ReadRules()).columns.values()]
    for name in names:
        rules = ReadRules(ignored=frozenset((name,)))
        if not any(rules.ignores(full) for full in full_names):
            raise ConfigurationError(_nowhere(name, full_names, files))


def _nowhere(name: str, full_names: list[str], files: Mapping[str, Path]) -> str:
    places = " or ".join(str(file) for file in files.values())
    known = [full for full in full_names if "." in name] or [full.partition(".")[2] for full in full_names]
    elsewhere = [full for full in full_names if full.partition(".")[2] == name.partition(".")[2]]  # the right name on the wrong side
    near = elsewhere or difflib.get_close_matches(name, known, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"columns are {', '.join(known[:MANY])}{', ...' if len(known) > MANY else ''};"
    return f'--ignore-column: "{name}" is no column of {places}; {hint} correct the name or remove the flag'
