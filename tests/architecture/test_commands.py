"""The documents name only commands and flags that exist."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from bench.promise.options import make_parser as make_promise_parser
from cli.main import make_parser
from loadtest.open_loop.options import make_parser as make_open_loop_parser
from loadtest.options import make_parser as make_load_parser
from tests.architecture.tree import files, name

_PAGES = [p for p in files() if p.suffix == ".md"]
_COMMAND = re.compile(r"(?:^|[`/ ])earshot ([a-z]+)((?: +[^`\n|#]+)?)", re.MULTILINE)
_FLAG_ALONE = re.compile(r"`(--[a-z][a-z-]+)")
_FLAGS_OF_OTHERS = {"--no-build-isolation", "--require-hashes", "--recurse-submodules"}


def _commands() -> dict[str, argparse.ArgumentParser]:
    found = [a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(found[0].choices)


@pytest.mark.parametrize("page", _PAGES, ids=name)
def test_every_command_line_in_a_document_is_one_that_exists(page: Path) -> None:
    commands = _commands()
    for command, rest in _COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        if command not in commands:
            continue  # prose: "earshot finds"
        for word in shlex.split(rest.replace("'", "")):
            if word.startswith("--"):
                assert word.partition("=")[0] in commands[command]._option_string_actions, f"{name(page)}: earshot {command} {word}"


def test_every_flag_that_a_document_quotes_belongs_to_some_command() -> None:
    parsers = [*_commands().values(), make_load_parser(), make_open_loop_parser(), make_promise_parser([])]
    flags = {flag for parser in parsers for flag in parser._option_string_actions}
    for page in _PAGES:
        assert set(_FLAG_ALONE.findall(page.read_text(encoding="utf-8"))) <= flags | _FLAGS_OF_OTHERS, name(page)


def test_every_command_explains_itself_and_each_of_its_flags() -> None:
    for command, parser in _commands().items():
        assert parser.description, f"earshot {command} has no description"
        assert [a.option_strings for a in parser._actions if not a.help] == [], f"earshot {command} has arguments without help"
