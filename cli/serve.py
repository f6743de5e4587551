"""`earshot serve`: a bundle, or a directory of them."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields

from server.settings import Settings
from server.settings_sources import CONFIG, read_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare one flag per setting; their values are read by the settings themselves, like those of the environment and the file."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a bundle, or a directory of them",
        description="Serve a bundle. Every setting may also come from the environment (EARSHOT_PORT) or a TOML file (port = 50051).",
        argument_default=argparse.SUPPRESS,
    )
    add_setting_flags(parser)
    parser.set_defaults(run=run)


def add_setting_flags(parser: argparse.ArgumentParser, without: frozenset[str] = frozenset()) -> None:
    """One flag per setting that is not in `without`. The parser must suppress defaults."""
    parser.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    for item in fields(Settings):
        if item.name in without:
            continue
        flag = "--" + item.name.replace("_", "-")
        text = item.metadata["help"] + ("" if item.default is None else f" (default: {_shown(item.default)})")
        if item.type == "bool":
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            parser.add_argument(flag, metavar=_metavar(item.name, item.metadata["choices"]), help=text)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    names = {CONFIG, *(item.name for item in fields(Settings))}
    settings = read_settings({name: value for name, value in vars(args).items() if name in names}, os.environ)
    from server.control import run as serve  # noqa: PLC0415 - gRPC takes time to import; `earshot --help` should not

    return serve(settings)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _metavar(name: str, choices: tuple[str, ...]) -> str:
    kinds = {"bundle": "DIR", "bundles": "DIR", "ready_file": "FILE", "drill_file": "FILE", "tls_cert": "FILE", "tls_key": "FILE", "host": "ADDRESS"}
    return "|".join(choices) or kinds.get(name, "ADDRESS" if name.endswith("_host") else "N")
