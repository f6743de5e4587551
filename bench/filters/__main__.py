"""`python -m bench.filters`: serve a catalogue with markets and tiers, and hold filtered requests against unfiltered ones. Exit code 1 when a target
is missed."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.data import World
from bench.filters.asking import make_asker
from bench.filters.cases import cases
from bench.filters.measure import Line, measure, ratios
from bench.filters.world import FilterWorld, ensure
from bench.machine import load_average, machine_facts
from bench.question import CANDIDATE_COUNT
from bench.remote import Remote
from bench.servers import ServedConfig, served
from bench.vectors import SETS
from cli.progress import ConsoleProgress

LEAST_RECALL, MOST_RATIO = 0.95, 2.0
GATED_CREATORS = 200_000
"""The target is stated for this size; for larger catalogues the figures are reported."""


def main() -> int:
    """Build what is missing, serve, measure, print, write JSON."""
    options = _parser().parse_args()
    world = FilterWorld(World(options.set, options.creators), options.candidates)
    console = Console(width=None if sys.stdout.isatty() else 150)
    bundle, catalogue = ensure(world, options.data)
    logs = options.data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    facts = {**machine_facts(), "load_average_before": load_average()}
    with served(bundle, ServedConfig(options.workers), logs) as target, Remote(make_asker, target.address) as asker, ConsoleProgress() as progress:
        lines = measure(cases(), catalogue, asker, options.candidates, options.rounds, progress)
    missed = {line.case.name: told for line in lines if (told := problems(line, lines))}
    console.print(f"{options.set}, {options.creators} creators, {options.candidates} candidates; {facts['cpu']}")
    console.print(_table(lines))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"facts": facts, "world": world.key, "lines": [_json(line, lines) for line in lines], "missed": missed}, indent=1)
    )
    for name, told in missed.items():
        console.print(f"{name}: {'; '.join(told)}", style="red")
    console.print(f"written to {options.out}")
    return 1 if missed and (options.creators <= GATED_CREATORS) else 0


def problems(line: Line, lines: Sequence[Line]) -> list[str]:
    """Which targets a line misses, in words."""
    ratio = statistics.median(ratios(line, lines))
    told = []
    if line.recall < LEAST_RECALL:
        told.append(f"recall {line.recall:.4f} is below {LEAST_RECALL}")
    if line.errors or line.degraded or line.short:
        told.append(f"{line.errors} errors, {line.degraded} degraded, {line.short} too short or with forbidden creators")
    if ratio > MOST_RATIO and not line.case.ungated:
        told.append(f"latency is {ratio:.2f}x the unfiltered one, {MOST_RATIO:g}x is allowed")
    return told


def _table(lines: Sequence[Line]) -> Table:
    table = Table("case", title=f"One request at a time; medians over {len(lines[0].round_ms)} interleaved rounds", title_justify="left")
    for heading in ("allowed", "recall", "least", "searched by", "ms", "x unfiltered", "errors"):
        table.add_column(heading, justify="right")
    for line in lines:
        found = ratios(line, lines)
        methods = ", ".join(f"{name} {count}" for name, count in line.methods.items())
        ratio = f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f}){'*' if line.case.ungated else ''}"
        share, recalls = f"{100 * line.allowed_share:.3g} %", (f"{line.recall:.4f}", f"{line.least_recall:.3f}")
        table.add_row(line.case.name, share, *recalls, methods, f"{line.median_ms:.2f}", ratio, str(line.errors))
    table.caption = "* reported only: " + next((line.case.ungated for line in lines if line.case.ungated), "")
    return table


def _json(line: Line, lines: Sequence[Line]) -> dict[str, object]:
    return {
        "case": line.case.name,
        "gated": not line.case.ungated,
        "allowed_share": line.allowed_share,
        "recall": line.recall,
        "least_recall": line.least_recall,
        "methods": dict(line.methods),
        "short": line.short,
        "errors": line.errors,
        "degraded": line.degraded,
        "median_ms": line.median_ms,
        "round_ms": line.round_ms,
        "ratios": ratios(line, lines),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__)
    add = parser.add_argument
    add("--creators", type=int, default=GATED_CREATORS, metavar="N", help="200000; a larger catalogue is reported, not judged")
    add("--candidates", type=int, default=CANDIDATE_COUNT, metavar="N", help=f"asked for, and what the index is tuned for ({CANDIDATE_COUNT})")
    add("--set", choices=list(SETS), default="clustered")
    add("--rounds", type=int, default=9, metavar="N")
    add("--workers", type=int, default=2, metavar="N")
    add("--data", type=Path, default=Path("out/bench"), metavar="DIR", help="where data and bundles are kept between runs (out/bench)")
    add("--out", type=Path, default=Path("out/bench-filters.json"), metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
