"""The options of `python -m loadtest.open_loop`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from loadtest.open_loop.trial import Trial
from loadtest.options import CommandParser

_LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")
MOST_CALLS = 2_000_000  # of one trial: they are all drawn ahead


def make_parser() -> CommandParser:
    """The parser."""
    parser = CommandParser(prog="python -m loadtest.open_loop", description="Make calls at planned moments, and draw the goodput curve.")
    parser.add_argument("--target", default="", metavar="HOST:PORT", help="a running server's data plane (default: a demo server of its own)")
    parser.add_argument("--earshot", type=Path, default=Path(".venv/bin/earshot"), metavar="FILE", help="starts the demo (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="of the demo server of its own (default: 1)")
    parser.add_argument("--server-pid", type=int, metavar="PID", help="control process of the running server, to count its CPU")
    parser.add_argument("--rate", type=float, metavar="X", help="measure this rate alone, in calls a second (default: the whole curve)")
    parser.add_argument("--capacity", type=float, metavar="X", help="take this for C (default: search for it)")
    parser.add_argument("--seconds", type=float, default=120.0, metavar="S", help="for everything that is measured (default: 120)")
    parser.add_argument("--deadline-ms", type=float, default=100.0, metavar="MS", help="of every call (default: 100)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="sending processes (default: 1)")
    parser.add_argument("--connections", type=int, default=16, metavar="N", help="connections of all of them together (default: 16)")
    parser.add_argument("--cooperative", action="store_true", help="with the client's retries and throttle (default: one attempt per call)")
    parser.add_argument("--users-file", default="", metavar="FILE", help="ids of the bundle's users, one per line (default: the demo's)")
    parser.add_argument("--seed", type=int, default=100, metavar="N", help="of all that is drawn (default: 100)")
    parser.add_argument("--out", type=Path, default=Path("out/open-loop"), metavar="DIR", help="where JSON and page go (default: %(default)s)")
    return parser


def trial_of(options: argparse.Namespace, target: str, rate_per_s: float, seconds: float) -> Trial:
    """A trial of this rate that takes `seconds`, a fifth of them to warm up. Raises ValueError."""
    return Trial(
        target=target,
        rate_per_s=rate_per_s,
        duration_s=seconds * 0.8,
        warm_up_s=seconds * 0.2,
        deadline_s=options.deadline_ms / 1e3,
        seed=options.seed,
        process_count=options.processes,
        connection_count=options.connections,
        cooperative=options.cooperative,
        users_file=options.users_file,
    )


def check(options: argparse.Namespace) -> None:
    """Raises ValueError, which says what is wrong and what to write instead."""
    if options.target and not options.target.startswith(_LOOPBACK):
        raise ValueError(f"--target {options.target} is not this machine; the generator offers more than a server can take, so it stays at home")
    for name in ("seconds", "deadline_ms", "processes", "connections", "workers", "rate", "capacity"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; it must be more than 0")
    if options.rate and options.rate * options.seconds > MOST_CALLS:
        raise ValueError(f"--rate {options.rate:g} for {options.seconds:g} s is more than {MOST_CALLS} calls; take less of one of them")
