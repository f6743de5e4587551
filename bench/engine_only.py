"""The engine beside the raw compute in one process, with the time of every stage: the short way round while tuning."""

from __future__ import annotations

import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import in_process
from bench.blocks import Block, Measured
from bench.data import World
from bench.figures import Ratio, Sample, ratios_by_round
from bench.schedule import turns, users_of
from engine.recommend import Engine

SLICE = 100  # requests before the other one's turn: short, so that both see the same machine


def compare_in_process(world: World, bundle: Path, request_count: int, console: Console) -> None:
    """Print CPU per request of both, their ratio, and the median microseconds of each stage."""
    in_process.stay_on_one_core()
    engine = in_process.open_engine(bundle)
    paths = {"raw": in_process.raw_path(bundle, world.ranker), "engine": in_process.path_of(engine)}
    samples = []
    for turn in turns(max(1, request_count // SLICE), [1], list(paths)):
        rows = users_of(turn, world.user_count, SLICE, world.seed)
        samples.append(Sample(turn.round, 1, turn.contestant, in_process.put(paths[turn.contestant], Block(rows, 1, warm_up=10))))
    table = Table("path", "CPU ms/request", "p50 ms", "p99 ms", title=f"{world.title}: medians over slices of {SLICE} requests")
    for name in paths:
        table.add_row(name, *_cells([s.measured for s in samples if s.contestant == name]))
    console.print(table)
    console.print(f"engine/raw: {statistics.median(ratios_by_round(samples, Ratio('engine', 'raw'), 1)):.3f}")
    console.print(_stage_table(engine, world, request_count))


def _cells(blocks: list[Measured]) -> list[str]:
    figures = ([b.cpu_ms_per_request for b in blocks], [b.percentile_ms(50) for b in blocks], [b.percentile_ms(99) for b in blocks])
    return [f"{statistics.median(values):.4f}" for values in figures]


def _stage_table(engine: Engine, world: World, request_count: int) -> Table:
    """Median wall-clock time per stage as the engine records it; the rest of the median request is what lies between the stages."""
    ask = in_process.path_of(engine).ask
    times: dict[str, list[float]] = {}
    for user in range(min(request_count, world.user_count)):
        for record in ask(user).records:
            times.setdefault(record.stage.name.lower(), []).append(record.duration_s * 1e6)
    table = Table("stage", "median us", title="Stages of the engine")
    for stage, found in times.items():
        table.add_row(stage, f"{statistics.median(found):.1f}")
    return table
