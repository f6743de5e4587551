"""The rig: the server on one core, the load on another, the world, and how long everything takes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import Target
from bench.promise.version import code_version
from bench.promise.world import COSTS_MS, World, ensure_bundle
from bench.servers import ServedConfig, free_port, on_core, process, served
from loadtest.open_loop.point import Point, point_of
from loadtest.open_loop.process_tree import tree_cpu_s
from loadtest.open_loop.senders import Measured, run_trials
from loadtest.open_loop.trial import Trial

WARM_UP_SHARE = 0.2  # of every trial
CONNECTION_COUNT = 8

Serve = Callable[[], AbstractContextManager[Target]]
"""Starts a server; it ends with the context."""


@dataclass(frozen=True, slots=True)
class Rig:
    """How everything is measured. seconds: for all trials of one command together. words: further settings of every Earshot server, as flags.

    rankers, deadlines_ms: those that commands go through which go through several.
    """

    world: World
    out: Path
    seconds: float
    seed: int = 1
    server_core: int | None = 0
    client_core: int | None = 1
    thread_count: int = 4
    words: tuple[str, ...] = ()
    rankers: tuple[str, ...] = tuple(COSTS_MS)
    deadlines_ms: tuple[float, ...] = (5.0, 10.0, 20.0, 50.0, 100.0)

    @property
    def settings(self) -> dict[str, object]:
        """What a part must agree in to belong to these measurements. As JSON has it."""
        return {
            "seconds": self.seconds,
            "seed": self.seed,
            "rankers": list(self.rankers),
            "server_words": " ".join(self.words),
            "threads": self.thread_count,
            "cores": [self.server_core, self.client_core],
            "world": self.world.directory.name,
            "code": code_version(),
        }

    def parts_file(self, name: str) -> Path:
        """Where the parts of the command of that name are kept."""
        return self.out / "parts" / f"{name}.json"

    def serve(self, ranker: str, *words: str) -> Serve:
        """Earshot with one worker and the ranker of that name, whole: so it costs what it says."""
        return lambda: self._served(ensure_bundle(self.world, ranker), ("--ranker-form", "whole", *self.words, *words))

    def contestant(self, ranker: str, plan: str) -> Serve:
        """The same worker with another way to plan (bench.promise.contestant), on the same core."""
        return lambda: self._contestant(ensure_bundle(self.world, ranker), plan)

    def trial(self, target: Target, rate_per_s: float, seconds: float, deadline_s: float) -> Trial:
        """Plain calls of the world's users at a rate; `seconds` with the warm-up."""
        return Trial(
            target=target.address,
            rate_per_s=rate_per_s,
            duration_s=seconds * (1.0 - WARM_UP_SHARE),
            warm_up_s=seconds * WARM_UP_SHARE,
            deadline_s=deadline_s,
            seed=self.seed,
            connection_count=CONNECTION_COUNT,
            users_file=str(self.world.users_file),
            plain=True,
        )

    def stay_beside(self) -> None:
        """Keep this process and the senders that it starts to their core."""
        if self.client_core is not None:
            os.sched_setaffinity(0, {self.client_core})

    @contextmanager
    def _served(self, bundle: Path, words: tuple[str, ...]) -> Iterator[Target]:
        with tempfile.TemporaryDirectory(prefix="earshot-promise-") as logs:
            config = ServedConfig(1, self.thread_count, words, self.server_core)
            with served(bundle, config, Path(logs)) as target:
                yield target

    @contextmanager
    def _contestant(self, bundle: Path, plan: str) -> Iterator[Target]:
        port = free_port()
        command = [sys.executable, "-m", "bench.promise.contestant", str(bundle), str(port), plan, "--threads", str(self.thread_count)]
        with (
            tempfile.TemporaryDirectory(prefix="earshot-promise-") as logs,
            process(on_core(self.server_core, command), port, Path(logs) / "contestant.log") as target,
        ):
            yield target


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial with what came of it. cpu_s: of the server while it was measured."""

    trial: Trial
    measured: Measured
    point: Point

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the server's processes during the measured time; nan when unknown."""
        cores = self.measured.server_cores
        return float("nan") if cores is None else cores * self.trial.duration_s


def see(trial: Trial, target: Target) -> Seen:
    """Run one trial."""
    return see_together([trial], target)[0]


def see_from(trial: Trial, target: Target, begin: Callable[[], None]) -> Seen:
    """Run one trial; `begin` is called at the moment from which it counts."""
    (found,) = run_trials([trial], target.pid, begin)
    return Seen(trial, found, point_of(trial, found))


def see_together(trials: Sequence[Trial], target: Target) -> list[Seen]:
    """Run several kinds of calls side by side."""
    found = run_trials(trials, target.pid)
    return [Seen(trial, one, point_of(trial, one)) for trial, one in zip(trials, found, strict=True)]


def idle_cores(target: Target, seconds: float) -> float:
    """CPU seconds per second that the server takes when nobody asks."""
    before_s, started_s = tree_cpu_s(target.pid), time.monotonic()
    time.sleep(seconds)
    after_s = tree_cpu_s(target.pid)
    return ((after_s or 0.0) - (before_s or 0.0)) / (time.monotonic() - started_s)
