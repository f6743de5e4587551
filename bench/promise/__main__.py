"""`python -m bench.promise NAME --out DIR`: proves one promise and says so line by line; "all" proves all, "page" fills docs/performance.md.

What was measured is kept part by part: the same command goes on where it was interrupted, and "--fresh" starts over.
The exit code: 0 every line holds, 1 one does not, 64 usage, 130 and 143 interrupted; what there is by then is written, too.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping

from rich.console import Console

from bench.awake import awake
from bench.machine import load_average, machine_facts
from bench.promise.commands import COMMANDS, Command
from bench.promise.options import make_parser
from bench.promise.pages import write_page
from bench.promise.parts import Parts
from bench.promise.proof import Check, Proof
from bench.promise.report import show, write
from bench.promise.rig import Rig
from bench.promise.world import World, forget_rankers
from loadtest.open_loop.senders import GeneratorFailed

WIDTH = 150  # of tables where no terminal says how wide it is


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    told = make_parser(COMMANDS).parse_args(arguments)
    if told.name == "page":
        print(*write_page(told.out), sep="\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the servers and senders that were started are stopped
    world = World(told.data, told.creators, told.users)
    if told.recalibrate:
        forget_rankers(world)
    names = list(COMMANDS) if told.name == "all" else [told.name]
    if told.fresh or told.recalibrate:
        _forget(told, names)
    machine = machine_facts()  # before this process keeps to one core
    try:
        return max([prove(name, told, world, machine) for name in names])
    except KeyboardInterrupt:
        return 130


def prove(name: str, told: argparse.Namespace, world: World, machine: Mapping[str, object]) -> int:
    """Run one command, print and write what it found; 1 when a line does not hold. Of what interrupts it, the same is written before it goes on."""
    command = COMMANDS[name]
    rig = _rig(told, world, command)
    facts = {**machine, "load_average_before": load_average(), "seconds": rig.seconds, "server_words": told.server_words}
    rig.stay_beside()
    parts = Parts(rig.parts_file(name), rig.settings)
    problem = "interrupted, or ended by an error"
    with awake() as kept_awake:
        try:
            problem = _problem(command, rig, parts)
        finally:
            proof = command.report(rig, parts)
            if problem:
                proof.checks.append(Check("measured to its end", 0.0, "at least", 1.0, "", problem))
            proof.machine = {**facts, "cores_kept_awake": kept_awake, "code": rig.settings["code"]}
            _publish(proof, told)
    return 0 if proof.met else 1


def _problem(command: Command, rig: Rig, parts: Parts) -> str:
    """Why it could not be measured to its end; "" when it was."""
    try:
        command.measure(rig, parts)
    except (RuntimeError, GeneratorFailed) as problem:
        return str(problem).splitlines()[0]
    return ""


def _publish(proof: Proof, told: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    write(proof, told.out)
    show(proof, console)
    console.print(f"written: {told.out / proof.name}.json, {told.out / proof.name}.html")


def _rig(told: argparse.Namespace, world: World, command: Command) -> Rig:
    pinned = told.server_core >= 0
    return Rig(
        world,
        told.out,
        told.seconds or command.seconds,
        seed=told.seed,
        server_core=told.server_core if pinned else None,
        client_core=told.client_core if pinned else None,
        thread_count=told.threads,
        words=(*command.words, *told.server_words.split()),
        rankers=command.rankers or tuple(told.rankers),
        deadlines_ms=tuple(told.deadlines_ms),
    )


def _forget(told: argparse.Namespace, names: list[str]) -> None:
    """All parts of these commands, and every C."""
    for name in (*names, "capacities"):
        (told.out / "parts" / f"{name}.json").unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
