"""What a run prints and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Ratio, Sample, figures_of, median_ratio, ratios_by_round, ratios_of
from bench.result import Result

FORMAT = 1


NAMES = {
    "raw": "raw compute, one core",
    "engine": "engine, one core",
    "served": "earshot serve",
    "typical": "plain server, typical",
    "tuned": "plain server, tuned",
    "floor": "empty call",
}


def show(result: Result, names: Sequence[str], console: Console) -> None:
    """Print the figures and the ratios. names: the contestants in the order to list them."""
    index = result.index
    console.print(
        f"\n[bold]{result.world.title}[/]: {result.world.creator_count} creators, {result.world.user_count} users, "
        f"index effort {index['ef']}, recall {index['recall']:.4f}"
    )
    console.print(_figures_table(result, names))
    console.print(_ratio_table(result))
    for name, problems in result.differences.items():
        told = "; ".join(problems) or ("in the raw compute's order but for a thousandth" if result.world.narrow else "the same as the raw compute's")
        console.print(f"answers of {NAMES[name]}: {told}", style="red" if problems else None)
    idle = ", ".join(f"{NAMES[name]} {spent:.1f}" for name, spent in result.idle_cpu_ms.items())
    console.print(f"CPU ms per second while idle: {idle}")


def _figures_table(result: Result, names: Sequence[str]) -> Table:
    table = Table("in flight", "contestant", title="Medians over rounds; CPU of the whole process tree", title_justify="left")
    for heading in ("CPU ms/request", "requests/s", "p50 ms", "p95 ms", "p99 ms", "requests", "failed", "degraded"):
        table.add_column(heading, justify="right")
    for level in result.levels:
        for name in (n for n in names if n in result.contestants):
            f = figures_of(result.of(name, level))
            times = (f"{f.p50_ms:.2f}", f"{f.p95_ms:.2f}", f"{f.p99_ms:.2f}")
            counts = (str(f.request_count), str(f.failure_count), str(f.degraded_count))
            table.add_row(str(level), NAMES[name], f"{f.cpu_ms:.3f}", f"{f.requests_per_s:.0f}", *times, *counts)
        table.add_section()
    return table


def _ratio_table(result: Result) -> Table:
    table = Table("CPU per request", title="Ratios within each round: median (least to most)", title_justify="left")
    for level in result.levels:
        table.add_column(f"{level} in flight", justify="right")
    table.add_column("target", justify="right")
    for ratio in ratios_of(result.world.ranker, result.world.narrow):
        if median_ratio(result.samples, ratio, result.levels[0]) is not None:
            target = "" if ratio.target is None else f"<= {ratio.target:.2f}"
            table.add_row(ratio.name, *(_ratio_cell(result, ratio, level) for level in result.levels), target)
    return table


def _ratio_cell(result: Result, ratio: Ratio, level: int) -> str:
    found = ratios_by_round(result.samples, ratio, level)
    median = median_ratio(result.samples, ratio, level)
    assert median is not None
    verdict = "" if ratio.target is None else " [green]met[/]" if median <= ratio.target else " [red]missed[/]"
    return f"{median:.3f} ({min(found):.2f} to {max(found):.2f}){verdict}"


def write_json(path: Path, results: Sequence[Result], facts: dict[str, object]) -> None:
    """Everything, for a program or for a later look: facts, medians, ratios and every block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": FORMAT, "facts": facts, "results": [_json_of(result) for result in results]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _json_of(result: Result) -> dict[str, object]:
    return {
        "world": asdict(result.world),
        "index": dict(result.index),
        "sound": result.sound,
        "differences": dict(result.differences),
        "idle_cpu_ms_per_s": dict(result.idle_cpu_ms),
        "figures": {str(level): {name: asdict(figures_of(result.of(name, level))) for name in result.contestants} for level in result.levels},
        "ratios": {ratio.name: _ratio_json(result, ratio) for ratio in ratios_of(result.world.ranker, result.world.narrow)},
        "blocks": [_block_json(sample) for sample in result.samples],
    }


def _ratio_json(result: Result, ratio: Ratio) -> dict[str, object]:
    by_level = {str(level): ratios_by_round(result.samples, ratio, level) for level in result.levels}
    medians = {str(level): median_ratio(result.samples, ratio, level) for level in result.levels}
    return {"target": ratio.target, "median": medians, "by_round": by_level}


def _block_json(sample: Sample) -> dict[str, object]:
    block = sample.measured
    return {
        "round": sample.round,
        "in_flight": sample.in_flight,
        "contestant": sample.contestant,
        "cpu_ms_per_request": block.cpu_ms_per_request,
        "client_cpu_ms_per_request": block.client_cpu_ms / len(block.latencies_ms),
        "requests_per_s": block.requests_per_s,
        "p50_ms": block.percentile_ms(50),
        "p95_ms": block.percentile_ms(95),
        "p99_ms": block.percentile_ms(99),
        "failures": dict(block.failures),
        "degraded": block.degraded,
    }
