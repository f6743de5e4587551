"""`python -m bench.promise NAME --out DIR`: proves one promise and says so line by line; "all" proves all, "page" fills docs/performance.md.

The exit code: 0 every line holds, 1 one does not, 64 usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping

from rich.console import Console

from bench.machine import load_average, machine_facts
from bench.promise import cancels, capacity, deadlines, overload, priorities, rapid_reset, slow_ranker
from bench.promise.options import make_parser
from bench.promise.pages import write_page
from bench.promise.proof import Check, Proof
from bench.promise.report import show, write
from bench.promise.rig import Rig
from bench.promise.world import World, forget_rankers
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
    told = make_parser(PROOFS).parse_args(arguments)
    if told.name == "page":
        print(*write_page(told.out), sep="\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the servers and senders that were started are stopped
    told.out.mkdir(parents=True, exist_ok=True)
    world = World(told.data, told.creators, told.users)
    if told.recalibrate:
        forget_rankers(world)
    if told.name == "all":
        capacity.forget(told.out)
    names = list(PROOFS) if told.name == "all" else [told.name]
    machine = machine_facts()  # before this process keeps to one core
    return max([prove(name, told, world, machine) for name in names])


def prove(name: str, told: argparse.Namespace, world: World, machine: Mapping[str, object]) -> int:
    """Run one command, print and write what it found; 1 when a line does not hold."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    command, seconds = PROOFS[name]
    rig = _rig(told, world, told.seconds or seconds)
    facts = {**machine, "load_average_before": load_average(), "seconds": rig.seconds, "server_words": told.server_words}
    rig.stay_beside()
    proof = _proof_of(command, name, rig)
    proof.machine = facts
    write(proof, told.out)
    show(proof, console)
    console.print(f"written: {told.out / proof.name}.json, {told.out / proof.name}.html")
    return 0 if proof.met else 1


def _rig(told: argparse.Namespace, world: World, seconds: float) -> Rig:
    pinned = told.server_core >= 0
    return Rig(
        world,
        told.out,
        seconds,
        seed=told.seed,
        server_core=told.server_core if pinned else None,
        client_core=told.client_core if pinned else None,
        thread_count=told.threads,
        words=tuple(told.server_words.split()),
        rankers=tuple(told.rankers),
        deadlines_ms=tuple(told.deadlines_ms),
    )


def _proof_of(command: Callable[[Rig], Proof], name: str, rig: Rig) -> Proof:
    """What the command found; where it could not measure at all, a proof whose only line says why."""
    try:
        return command(rig)
    except (RuntimeError, GeneratorFailed) as problem:
        return Proof(name, name, rig.seed, [Check("could be measured", 0.0, "at least", 1.0, "", str(problem).splitlines()[0])])


if __name__ == "__main__":
    sys.exit(main())
