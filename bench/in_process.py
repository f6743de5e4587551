"""The contestants that need no server: the raw compute, and the engine without gRPC. One core, one thread, one request at a time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.answers import Answer
from bench.blocks import Block, Measured
from bench.question import CANDIDATE_COUNT, DEADLINE_S, PAGE_SIZE, user_id
from bench.raw import RawCompute, one_thread_session
from bench.tables import open_tables
from domain.deadline import Deadline
from domain.request import RecommendRequest
from domain.slate import Recommended, Stage
from domain.terms import Terms
from engine.open import StartOptions, prepare
from engine.recommend import Engine


@dataclass(frozen=True, slots=True)
class LocalPath:
    """ask: user row -> result, the timed part. answer_of: result -> Answer, untimed. degraded: whether the result names a rung."""

    ask: Callable[[int], Any]
    answer_of: Callable[[Any], Answer]
    degraded: Callable[[Any], bool]


def raw_path(bundle: Path, ranker: str) -> LocalPath:
    """The raw compute; its answer holds all candidates, best first. ranker: the one that the bundle was built with."""
    tables = open_tables(bundle, ranker)

    def answer_of(result: Any) -> Answer:
        rows, _, scores = result
        order = np.argsort(-scores, kind="stable")
        return Answer(tuple(tables.creator_ids[row] for row in rows[order].tolist()), tuple(scores[order].tolist()))

    # The stored user row is found by id here, before the clock runs: the raw compute looks nothing up.
    compute, stored = RawCompute(tables, one_thread_session(tables.model)), tables.user_rows
    rows = [stored[user_id(row)] for row in range(len(stored))]
    return LocalPath(lambda row: compute.score(rows[row]), answer_of, lambda _: False)


def engine_path(bundle: Path) -> LocalPath:
    """The engine as a worker opens it."""
    return path_of(open_engine(bundle))


def open_engine(bundle: Path) -> Engine:
    """Prepare and start, with failures of a stage shown on stderr."""
    return prepare(bundle).start(StartOptions(), time.monotonic, _tell)


def path_of(engine: Engine) -> LocalPath:
    """A path through an engine that is open."""
    assert engine.bundle.users is not None, "the benchmark's bundles list users"
    requests = [
        RecommendRequest(request_id=f"bench-{row}", user_id=user_id(row), page_size=PAGE_SIZE, candidate_count=CANDIDATE_COUNT)
        for row in range(engine.bundle.manifest.user_count)
    ]

    def ask(row: int) -> Recommended:
        return engine.recommend(requests[row], Terms(Deadline.after(DEADLINE_S, time.monotonic)))

    def answer_of(result: Any) -> Answer:
        return Answer(tuple(engine.creators.ids_of(result.slate.rows)), tuple(result.slate.scores.tolist()))

    return LocalPath(ask, answer_of, lambda result: bool(result.degradations))


def put(path: LocalPath, block: Block) -> Measured:
    """Put the block's requests one after the other; `in_flight` does not apply. CPU time is that of this process."""
    rows = block.user_rows.tolist()
    for row in rows[: block.warm_up]:
        path.ask(row)
    latencies, results = np.zeros(len(rows), np.int64), []
    started_cpu_s, started_s = time.process_time(), time.perf_counter()
    for place, row in enumerate(rows):
        asked_ns = time.perf_counter_ns()
        result = path.ask(row)
        latencies[place] = time.perf_counter_ns() - asked_ns
        results.append(path.degraded(result) if place >= block.keep_answers else result)
    wall_s, used_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    kept = results[: block.keep_answers]
    return Measured(
        wall_s=wall_s,
        cpu_ms=used_s * 1e3,
        latencies_ms=latencies / 1e6,
        degraded=sum(map(path.degraded, kept)) + sum(results[block.keep_answers :]),
        answers=tuple(map(path.answer_of, kept)),
    )


def stay_on_one_core() -> None:
    """One core means one core: pin this process to the last one it may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _tell(stage: Stage, failure: Exception) -> None:
    print(f"engine: {stage.name.lower()} failed: {failure!r}", file=sys.stderr)
