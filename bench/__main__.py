"""`python -m bench`: measure, print, write JSON. Exit code 1 when calls failed or answers differ: such figures mean nothing."""

from __future__ import annotations

import sys
from dataclasses import asdict

from rich.console import Console

from bench.bundles import ensure_bundle
from bench.engine_only import compare_in_process
from bench.machine import load_average, machine_facts
from bench.options import parse
from bench.profiles import profile
from bench.report import show, write_json
from bench.result import Result
from bench.run import measure
from cli.progress import ConsoleProgress


def main() -> int:
    """Run what the command line asks for."""
    options, console = parse(), Console(width=None if sys.stdout.isatty() else 150)
    bundles = {world: ensure_bundle(world, options.data, options.rebuild) for world in options.worlds}
    if options.profile or options.engine_only:
        for world, bundle in bundles.items():
            work = profile if options.profile else compare_in_process
            work(world, bundle, options.request_count, console)
        return 0
    facts = {**machine_facts(), "load_average_before": load_average(), "served": asdict(options.served)}
    console.print(
        f"{facts['cpu']}, {facts['cores']} cores; served path: {options.served.worker_count} workers x {options.served.thread_count} threads"
    )
    results = []
    for world, bundle in bundles.items():
        with ConsoleProgress() as progress:
            results.append(measure(world, bundle, options, progress))
        show(results[-1], options.contestants, console)
    write_json(options.out, results, facts)
    console.print(f"\nwritten to {options.out}")
    return _verdict(results, console)


def _verdict(results: list[Result], console: Console) -> int:
    unsound = [result.world.title for result in results if not result.sound]
    if unsound:
        console.print(f"calls failed, were degraded, or answers differ ({', '.join(unsound)}): these figures mean nothing", style="bold red")
    return 1 if unsound else 0


if __name__ == "__main__":
    sys.exit(main())
