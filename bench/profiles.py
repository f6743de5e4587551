"""Where the Python time goes: cProfile over the engine and over a served worker's handler, in this process."""

from __future__ import annotations

import cProfile
import pstats
import sys
from pathlib import Path

from rich.console import Console

from bench import in_process
from bench.data import World

SHOWN_COUNT = 40


def profile_engine(world: World, bundle: Path, request_count: int, console: Console) -> None:
    """Print the functions with the most own time, in microseconds per request. Profiling itself inflates small functions: compare, do not quote."""
    path = in_process.engine_path(bundle)
    users = [request % world.user_count for request in range(request_count)]
    for user in users[:300]:
        path.ask(user)
    profiler = cProfile.Profile()
    profiler.enable()
    for user in users:
        path.ask(user)
    profiler.disable()
    console.print(f"{world.vectors}: {request_count} requests; divide by that for the time of one")
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(SHOWN_COUNT)
