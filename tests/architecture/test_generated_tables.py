"""The tables of flags and settings in docs/ are those of the command. EARSHOT_REGENERATE_DOCS=1 writes them anew."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from cli.main import make_parser
from server.settings import Settings
from tests.architecture.tree import ROOT


def build_flags() -> list[str]:
    """One row per flag of `earshot build`."""
    commands = next(a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return [_flag(action) for action in commands.choices["build"]._actions if "--help" not in action.option_strings]


def _flag(action: argparse.Action) -> str:
    text, _, default = (action.help or "").partition(" (default: ")
    if default == "%(default)s)":
        default = f"{action.default})"
    value = action.metavar or "\\|".join(action.choices or ())
    name = f"{action.option_strings[-1]} {value}".strip()
    return f"|`{name}`|{'required' if action.required else default.removesuffix(')') or '-'}|{text}|"


def settings() -> list[str]:
    """One row per setting of `earshot serve`."""
    return [_setting(item.name, item.default, item.metadata) for item in fields(Settings)]


def _setting(name: str, default: object, rules) -> str:
    if rules["limits"]:
        limits = " to ".join(f"{limit:g}" if limit < 1e5 else str(limit) for limit in rules["limits"])
    else:
        limits = ", ".join(rules["choices"]) or "-"
    shown = "-" if default in (None, MISSING) else str(default).lower() if isinstance(default, bool) else str(default)
    return f"|`{name}`|{shown}|{limits}|{rules['help']}|"


@pytest.mark.parametrize(
    ("page", "headings", "rows"),
    [
        ("docs/bundle.md", "|flag|default|meaning|", build_flags),
        ("docs/operations.md", "|setting|default|limits|meaning|", settings),
    ],
)
def test_a_table_is_the_one_that_the_command_would_write(page, headings, rows):
    path, wanted = ROOT / page, rows()
    if os.environ.get("EARSHOT_REGENERATE_DOCS"):
        _replace(path, headings, wanted)
    found = _body(path.read_text(encoding="utf-8"), headings)[1].splitlines()
    assert found == wanted, f"{page} is out of date: run EARSHOT_REGENERATE_DOCS=1 make test TESTS=tests/architecture/test_generated_tables.py"


def _body(text: str, headings: str) -> tuple[str, str, str]:
    """What stands before, in and behind the rows of the table with these headings."""
    match = re.search(rf"^{re.escape(headings)}\n\|[-|]+\|\n((?:\|.*\n)*)", text, re.MULTILINE)
    assert match is not None, f"no table {headings}"
    return text[: match.start(1)], match[1], text[match.end(1) :]


def _replace(path: Path, headings: str, rows: list[str]) -> None:
    before, _, behind = _body(path.read_text(encoding="utf-8"), headings)
    path.write_text(before + "".join(f"{row}\n" for row in rows) + behind, encoding="utf-8")
