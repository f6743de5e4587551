"""The entry point of the `earshot` command: parses, dispatches, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from cli import build, demo, evaluate, inspect, query, serve, train, verify
from cli.exit_codes import ExitCode, exit_code_of
from domain.errors import ArtifactError, EarshotError, printable

_EPILOG = (
    "Exit codes: 0 done, 1 failure, 2 a bad file or bundle, 64 a mistyped command line, 66 no such input, 73 cannot write, "
    "78 settings that cannot be. "
    "README.md begins at the beginning; docs/operations.md is for those who run a server."
)


class Parser(argparse.ArgumentParser):
    """argparse exits with 2, which is a bad artifact here; usage errors are 64."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit."""
        self.exit(ExitCode.USAGE, f"error: {self.prog}: USAGE: {printable(message)}; see `{self.prog} --help`\n")


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(prog="earshot", description="Finds the creators within earshot of a listener.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"earshot {_version()}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for command in (demo, build, serve, train, verify, inspect, query, evaluate):
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Expected errors become `error: ...` on stderr, never a traceback."""
    parsed = _parse(arguments)
    try:
        return int(parsed.run(parsed))
    except EarshotError as error:
        print(f"error: {error.line()}", file=sys.stderr)
        if isinstance(error, ArtifactError) and error.example:
            print(error.example)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `earshot inspect | head`
        sys.stderr.close()
        return ExitCode.OK


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was typed. Exits for flags that the command does not have: argparse would complain in the name of the whole program."""
    parser = make_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001 - there is no public way
        command = commands.choices[parsed.command]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], command._option_string_actions, 1)  # noqa: SLF001 - as above
        command.error(f"unknown argument {unknown[0]}{f', did you mean {near[0]}?' if near else ''}")
    return parsed


def _version() -> str:
    try:
        return version("earshot")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
