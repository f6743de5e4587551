"""Where the Python time goes: cProfile over the engine alone, and over one worker's data plane under real calls, both in this process.

Profiling itself inflates small functions: use it to find what to look at, never to quote.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import threading
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from bench import in_process
from bench.blocks import Block
from bench.contestants import make_load
from bench.data import World
from bench.load import Target
from bench.remote import Remote
from bench.servers import free_port
from bench.single_worker import assignment
from domain.arrays import RowArray
from engine.recommend import Engine
from server.data_plane import DataPlane
from server.settings import Settings

SHOWN_COUNT = 45
IN_FLIGHT = 4


def profile(world: World, bundle: Path, request_count: int, console: Console) -> None:
    """Print the functions with the most own CPU time. Times are totals over `request_count` requests."""
    engine = in_process.open_engine(bundle)
    rows = np.arange(request_count, dtype=np.int64) % world.user_count
    console.print(f"{world.title}, the engine: {request_count} requests, divide by that for the time of one", style="bold")
    _print([_profile_engine(engine, rows)])
    console.print(f"{world.title}, a worker's threads: as many requests, and its warm-up", style="bold")
    _print(_profile_worker(engine, rows))


def _profile_engine(engine: Engine, rows: RowArray) -> _ThreadProfile:
    ask = in_process.path_of(engine).ask
    for row in rows[:300].tolist():
        ask(row)
    profiler = _ThreadProfile()
    profiler.enable()
    for row in rows.tolist():
        ask(row)
    profiler.disable()
    return profiler


def _profile_worker(engine: Engine, rows: RowArray) -> list[_ThreadProfile]:
    """One profile per thread that the data plane starts: request threads and gRPC's own."""
    profiles: list[_ThreadProfile] = []

    def begin(*_: object) -> None:
        """Called at the first event of a new thread: from here on its own profiler is told, not we."""
        profiles.append(_ThreadProfile())
        profiles[-1].enable()

    threading.setprofile(begin)
    try:
        told = assignment(free_port(), Settings(workers=1, threads=4))
        plane = DataPlane(engine, told, 0)
        plane.start()
        with Remote(make_load) as client:
            client(Target(told.address, os.getpid()), Block(rows, IN_FLIGHT))
        plane.stop(1.0).wait()
    finally:
        threading.setprofile(None)
    return profiles


class _ThreadProfile(cProfile.Profile):
    """CPU time of the thread that enables it."""

    def __init__(self) -> None:
        super().__init__(time.thread_time)

    def create_stats(self) -> None:
        """Called by pstats. Not disabled first, as usual: that would book the calls that threads of a pool still wait in."""
        self.snapshot_stats()


def _print(profiles: list[_ThreadProfile]) -> None:
    stats = pstats.Stats(profiles[0], stream=sys.stdout)
    for profile_of_thread in profiles[1:]:
        stats.add(profile_of_thread)
    stats.strip_dirs().sort_stats("tottime").print_stats(SHOWN_COUNT)
