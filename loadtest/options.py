"""The options, the same for `python -m loadtest` and for locust itself. Nothing here needs locust."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NoReturn

import grpc

from loadtest.limits import LIMITS, Limits
from loadtest.shapes import SHAPES, Shape
from loadtest.world import DEMO, World, world_of

TARGET = "127.0.0.1:50051"
_LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run, as the options describe it. `ca_file` None: plaintext."""

    target: str
    ca_file: Path | None
    world: World
    shape: Shape
    limits: Limits
    seed: int
    connection_count: int

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What the client needs to open its connections; None for plaintext. Raises OSError."""
        return None if self.ca_file is None else grpc.ssl_channel_credentials(self.ca_file.read_bytes())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the load is made of; target, report and the like are declared by the caller, locust having its own."""
    group = parser.add_argument_group("load")
    group.add_argument("--duration-s", type=float, default=0.0, metavar="S", help="stretch the shape to this time (default: the shape's own)")
    group.add_argument("--times", type=float, default=1.0, metavar="X", help="so many times the callers of the shape (default: 1)")
    group.add_argument("--users-file", default="", metavar="FILE", help="ids of the bundle's users, one per line (default: the demo's listeners)")
    group.add_argument("--seed", type=int, default=100, metavar="N", help="of all that is drawn (default: 100)")
    group.add_argument("--connections", type=int, default=16, metavar="N", help="connections to the server; its workers share them (default: 16)")
    group.add_argument("--ca-file", default="", metavar="FILE", help="PEM file of who signed the server's certificate; turns TLS on")
    group.add_argument("--insecure", action="store_true", help="plaintext to a server on another machine")
    names = ", ".join(field.name for field in fields(Limits))
    group.add_argument("--limit", action="append", default=[], metavar="NAME=X", help=f"another limit than the shape's; repeatable; of {names}")


def words_of(options: argparse.Namespace) -> list[str]:
    """What add_options declared, as it would be written on a command line."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    words: list[str] = []
    for action in parser._actions[1:]:  # noqa: SLF001 - argparse has no public list of them; the first is --help
        value = getattr(options, action.dest)
        if value is True:
            words.append(action.option_strings[0])
        elif value != action.default:
            words += [f"{action.option_strings[0]}={one}" for one in (value if isinstance(value, list) else [value])]
    return words


def plan_of(options: argparse.Namespace, shape_name: str, target: str) -> Plan:
    """The run that the options describe. Raises ValueError (what is wrong, and what to write instead) and OSError (of a file)."""
    if options.connections < 1 or options.duration_s < 0 or options.times <= 0:
        raise ValueError("--connections must be at least 1, --duration-s and --times more than 0")
    if not options.ca_file and not options.insecure and not target.startswith(_LOOPBACK):
        raise ValueError(f"{target} is not this machine; give --ca-file for TLS, or --insecure for plaintext")
    shape = SHAPES[shape_name].multiplied(options.times)
    return Plan(
        target=target,
        ca_file=Path(options.ca_file) if options.ca_file else None,
        world=world_of(Path(options.users_file)) if options.users_file else DEMO,
        shape=shape.stretched(options.duration_s) if options.duration_s else shape,
        limits=_limited(LIMITS[shape_name], options.limit),
        seed=options.seed,
        connection_count=options.connections,
    )


def _limited(limits: Limits, changes: Sequence[str]) -> Limits:
    known = {field.name for field in fields(Limits)}
    for change in changes:
        name, equals, value = change.partition("=")
        if name not in known or not equals:
            raise ValueError(f'--limit "{change}" is no NAME=X; the names are {", ".join(sorted(known))}')
        limits = replace(limits, **{name: float(value)})
    return limits


class CommandParser(argparse.ArgumentParser):
    """Usage errors end with 64, as those of the `earshot` command do."""

    def error(self, message: str) -> NoReturn:
        """Print, and exit."""
        self.exit(64, f"error: {message}\n")


def make_parser() -> CommandParser:
    """The parser of `python -m loadtest`."""
    parser = CommandParser(prog="python -m loadtest", description="Load a running server, and check the thresholds.")
    parser.add_argument("shape", choices=sorted(SHAPES), help="how many callers at which time; see loadtest/shapes.py")
    parser.add_argument("--target", default=TARGET, metavar="HOST:PORT", help="the server's data plane (default: %(default)s)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the HTML report goes (default: out/load-SHAPE.html)")
    add_options(parser)
    return parser
