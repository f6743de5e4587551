"""`python -m bench.promise NAME --out DIR`: proves one promise and says so line by line; "all" proves all, "page" fills docs/performance.md.

The exit code: 0 every line holds, 1 one does not, 64 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.machine import load_average, machine_facts
from bench.promise import cancels, capacity, deadlines, overload, priorities, rapid_reset, slow_ranker
from bench.promise.proof import Check, Proof
from bench.promise.report import show, write
from bench.promise.rig import Rig
from bench.promise.world import COSTS_MS, World, forget_rankers
from loadtest.open_loop.senders import GeneratorFailed

PROOFS: dict[str, tuple[Callable[[Rig], Proof], float]] = {
    "capacity": (capacity.prove, 60.0),
    "deadlines": (deadlines.prove, 2100.0),
    "slow-ranker": (slow_ranker.prove, 180.0),
    "overload": (overload.prove, 240.0),
    "priorities": (priorities.prove, 60.0),
    "cancels": (cancels.prove, 240.0),
    "rapid-reset": (rapid_reset.prove, 50.0),
}
"""By name: the command, and its seconds of measuring unless told otherwise."""
WIDTH = 150  # of tables where no terminal says how wide it is


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    told = _parser().parse_args(arguments)
    told.out.mkdir(parents=True, exist_ok=True)
    world = World(told.data, told.creators, told.users)
    if told.recalibrate:
        forget_rankers(world)
    names = list(PROOFS) if told.name == "all" else [told.name]
    return max([prove(name, told, world) for name in names])


def prove(name: str, told: argparse.Namespace, world: World) -> int:
    """Run one command, print and write what it found; 1 when a line does not hold."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    command, seconds = PROOFS[name]
    cores = (told.server_core, told.client_core) if told.server_core >= 0 else (None, None)
    words = tuple(told.server_words.split())
    rig = Rig(world, told.out, told.seconds or seconds, told.seed, *cores, thread_count=told.threads, words=words)
    rig = replace(rig, rankers=tuple(told.rankers), deadlines_ms=tuple(told.deadlines_ms))
    machine = {**machine_facts(), "load_average_before": load_average(), "seconds": rig.seconds, "server_words": told.server_words}
    rig.stay_beside()
    proof = _proof_of(command, name, rig)
    proof.machine = machine
    write(proof, told.out)
    show(proof, console)
    console.print(f"written: {told.out / name}.json, {told.out / name}.html")
    return 0 if proof.met else 1


def _proof_of(command: Callable[[Rig], Proof], name: str, rig: Rig) -> Proof:
    """What the command found; where it could not measure at all, a proof whose only line says why."""
    try:
        return command(rig)
    except (RuntimeError, GeneratorFailed) as problem:
        return Proof(name, name, rig.seed, [Check("could be measured", 0.0, "at least", 1.0, "", str(problem).splitlines()[0])])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.promise", description="Prove a promise, line by line.")
    parser.add_argument("name", choices=[*PROOFS, "all"], help="which one")
    parser.add_argument("--out", type=Path, default=Path("out/promises"), metavar="DIR", help="where JSON and pages go (%(default)s)")
    parser.add_argument("--data", type=Path, default=Path("out/promise-data"), metavar="DIR", help="where the bundles are kept (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of measuring, for the whole command (default: its own)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is drawn (1)")
    parser.add_argument("--creators", type=int, default=50_000, metavar="N", help="in the catalogue (50000)")
    parser.add_argument("--users", type=int, default=200, metavar="N", help="who ask (200)")
    parser.add_argument("--threads", type=int, default=4, metavar="N", help="request threads of the worker (4)")
    parser.add_argument("--server-core", type=int, default=0, metavar="N", help="of all server processes; -1: nobody keeps to a core (0)")
    parser.add_argument("--client-core", type=int, default=1, metavar="N", help="of the load generator (1)")
    parser.add_argument("--server-words", default="", metavar="WORDS", help='further settings of the servers, as flags: "--admission bounded"')
    parser.add_argument("--rankers", nargs="+", choices=list(COSTS_MS), default=list(COSTS_MS), help="of commands that go through several (all)")
    parser.add_argument("--deadlines-ms", nargs="+", type=float, default=[5, 10, 20, 50, 100], metavar="MS", help="likewise (5 10 20 50 100)")
    parser.add_argument("--recalibrate", action="store_true", help="size the rankers to this machine anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
