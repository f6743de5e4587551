"""The entry point of the `earshot` command: parses, dispatches, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from cli import build, demo, inspect, query, serve, verify
from cli.exit_codes import ExitCode, exit_code_of
from domain.errors import EarshotError


class Parser(argparse.ArgumentParser):
    """argparse exits with 2, which is a bad artifact here; usage errors are 64."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the problem, and exit."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"error: {message}; see `{self.prog} --help`\n")


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(prog="earshot", description="Finds the creators within earshot of a listener.")
    parser.add_argument("--version", action="version", version=f"earshot {_version()}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for command in (demo, build, serve, verify, inspect, query):
        command.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Expected errors become `error: ...` on stderr, never a traceback."""
    parsed = make_parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except EarshotError as error:
        print(f"error: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `earshot inspect | head`
        sys.stderr.close()
        return ExitCode.OK


def _version() -> str:
    try:
        return version("earshot")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
