"""The options of `python -m bench.promise`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from bench.promise.world import COSTS_MS


def make_parser(names: Iterable[str]) -> argparse.ArgumentParser:
    """The parser. names: of the promises."""
    parser = argparse.ArgumentParser(prog="python -m bench.promise", description="Prove a promise, line by line.")
    parser.add_argument("name", choices=[*names, "all", "page"], help="which one")
    parser.add_argument("--out", type=Path, default=Path("out/promises"), metavar="DIR", help="where JSON and pages go (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("out/promise-data"), metavar="DIR", help="where the bundles are kept (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="of measuring, for the whole command; the search of C comes on top (default: its own)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (1)")
    parser.add_argument("--creators", type=int, default=50_000, metavar="N", help="in the catalogue (50000)")
    parser.add_argument("--users", type=int, default=200, metavar="N", help="who ask (200)")
    parser.add_argument("--threads", type=int, default=4, metavar="N", help="request threads of the worker (4)")
    parser.add_argument("--server-core", type=int, default=0, metavar="N", help="of all server processes; -1: nobody keeps to a core (0)")
    parser.add_argument("--client-core", type=int, default=1, metavar="N", help="of the load generator (1)")
    parser.add_argument("--server-words", default="", metavar="WORDS", help='further settings of the servers, as flags: "--admission bounded"')
    parser.add_argument("--rankers", nargs="+", choices=list(COSTS_MS), default=list(COSTS_MS), help="of commands that go through several (all)")
    parser.add_argument("--deadlines-ms", nargs="+", type=float, default=[5, 10, 20, 50, 100], metavar="MS", help="likewise (5 10 20 50 100)")
    parser.add_argument("--fresh", action="store_true", help="measure anew what is there already, with these settings, from an earlier run")
    parser.add_argument("--recalibrate", action="store_true", help="size the rankers to this machine anew")
    return parser
