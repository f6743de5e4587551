"""One interleaved run over one world."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.answers import first_differences, worse_orders
from bench.blocks import Block
from bench.contestants import BuiltWith, Contestant, idle_cpu_ms, started
from bench.data import World
from bench.figures import Sample
from bench.options import Options
from bench.question import PAGE_SIZE
from bench.result import Result
from bench.schedule import Turn, turns, users_of
from domain.stages import Progress

COMPARED_COUNT = 500  # answers per contestant that are held against the raw compute's
COMPARED_IN_FLIGHT = 4


def measure(world: World, bundle: Path, options: Options, progress: Progress) -> Result:
    """Start everybody, compare their answers, then put the blocks to them in turn."""
    names = options.contestants
    progress.start(f"{world.title}: starting {', '.join(names)}", 1)
    with started(names, BuiltWith(bundle, world.ranker), options.served, options.data / "logs") as contestants:
        progress.start(f"{world.title}: comparing answers, warming up", len(names))
        differences = compare(contestants, world, progress)
        order = list(turns(options.round_count, options.levels, names))
        progress.start(f"{world.title}: {options.request_count} requests at each of {options.levels} in flight", len(order))
        idle = idle_cpu_ms(contestants)
        samples = list(_sampled(contestants, world, options, order, progress))
    return Result(world, _index_facts(bundle), samples, differences, idle)


def compare(contestants: Mapping[str, Contestant], world: World, progress: Progress) -> dict[str, list[str]]:
    """Per contestant that gives answers, what is wrong with them. The raw compute is the reference; without it nothing is compared."""
    rows = users_of(Turn(0, COMPARED_IN_FLIGHT, ""), world.user_count, COMPARED_COUNT, world.seed)
    answers = {}
    for name, contestant in contestants.items():
        answers[name] = contestant(Block(rows, COMPARED_IN_FLIGHT, keep_answers=COMPARED_COUNT)).answers
        progress.advance(1)
    if "raw" not in answers:
        return {}
    compared = [name for name in answers if name not in ("raw", "floor")]
    judge = worse_orders if world.narrow else first_differences
    return {name: judge(answers["raw"], answers[name], PAGE_SIZE) for name in compared}


def _sampled(
    contestants: Mapping[str, Contestant], world: World, options: Options, order: list[Turn], progress: Progress
) -> Iterator[Sample]:  # the loop of the benchmark
    for turn in order:
        rows = users_of(turn, world.user_count, options.block_size, world.seed)
        measured = contestants[turn.contestant](Block(rows, turn.in_flight))
        yield Sample(turn.round, turn.in_flight, turn.contestant, measured)
        progress.advance(1)


def _index_facts(bundle: Path) -> dict[str, object]:
    """What the manifest says about the index that everybody opens."""
    description = json.loads((bundle / "manifest.json").read_text())["indexes"]["default"]
    return {name: description[name] for name in ("kind", "m", "ef_construction", "ef", "recall", "count")}
