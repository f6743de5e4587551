"""`python -m bench.efforts BUNDLE`: what fewer candidates cost and find: recall and milliseconds of one search by its effort, for several counts.

Recall is against the exact answer, for listed users; milliseconds are of the processor, on this thread, medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from bundle.open import Bundle, open_bundle
from domain.arrays import FloatArray
from domain.deadline import Deadline
from retrieval.description import IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.hnsw_source import HnswSource

COUNTS = (20, 100)
USER_COUNT = 200
NEVER = Deadline.never(time.monotonic)


class Line(NamedTuple):
    """One count at one effort."""

    candidates: int
    effort: int
    recall: float
    milliseconds: float


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.efforts", description="Recall and time of fewer candidates, by effort.")
    parser.add_argument("bundle", type=Path)
    bundle = open_bundle(parser.parse_args(arguments).bundle)
    table = Table("candidates", "effort", "recall", "ms", title=f"{len(bundle.creators):,} creators")
    for line in lines(bundle):
        table.add_row(str(line.candidates), str(line.effort), f"{line.recall:.3f}", f"{line.milliseconds:.3f}")
    Console().print(table)
    return 0


def lines(bundle: Bundle) -> Iterator[Line]:
    """Each count at the effort that the build found for it, at half and at twice as much, and at the tuned one."""
    described = IndexDescription.from_json(bundle.manifest.indexes["default"])
    assert bundle.users is not None, "its listed users are who asks"
    queries = np.asarray(bundle.users.users.embeddings[:USER_COUNT])
    for count in COUNTS:
        found = described.effort(count)
        for effort in sorted({max(count, found // 2), found, min(2 * found, described.ef), described.ef}):
            # as if the build had found this effort, for everything
            index = _index(bundle, replace(described, ef=effort, candidate_count=count, fewer=()))
            yield Line(count, effort, *_measured(index, bundle, described.space, queries, count))


def _index(bundle: Bundle, described: IndexDescription) -> HnswSource:
    creators = bundle.creators
    return HnswSource.load(bundle.path / "indexes" / "default", described, creators.embeddings, creators.norms, creators.id_ranks)


def _measured(index: HnswSource, bundle: Bundle, space: str, queries: FloatArray, count: int) -> tuple[float, float]:
    """(mean recall, median milliseconds)."""
    exact = ExactSource(bundle.creators.embeddings, bundle.creators.norms, bundle.creators.id_ranks, space)
    recalls, times_ms = [], []
    for query in queries:
        started_s = time.thread_time()
        rows = index.retrieve(query, count, NEVER).rows
        times_ms.append((time.thread_time() - started_s) * 1e3)
        recalls.append(np.isin(rows, exact.retrieve(query, count, NEVER).rows).mean())
    return float(np.mean(recalls)), median(times_ms)


if __name__ == "__main__":
    raise SystemExit(main())
