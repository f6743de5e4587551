"""Measures an exact scan beside hnswlib (docs/adr/0003): by the size of the catalogue, and by the share of it that a request may show.

    OPENBLAS_NUM_THREADS=1 python -m bench.adr.exact_scan [--creators 200000] [--candidates 200]

One core, 200 distinct queries, clustered vectors of 64 dims. The index is searched with the effort that k asks for (ef = k', the first k kept).
Filtered: `over-fetch` asks the index for k / share candidates and drops those that may not be shown; `scan` gathers the rows that may be shown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.adr.world import build_index, clustered, open_index
from domain.arrays import FloatArray, RowArray

QUERY_COUNT = 200
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 200_000)
SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)


def scan(vectors: FloatArray, query: FloatArray, count: int) -> RowArray:
    """The exact answer: one matrix-vector product, then the best `count`."""
    similarities = vectors @ query
    count = min(count, len(similarities))
    best = np.argpartition(-similarities, count - 1)[:count]
    order: RowArray = best[np.argsort(-similarities[best])]
    return order


def search(index: Any, query: FloatArray, count: int) -> RowArray:
    """The index's answer."""
    labels, _ = index.knn_query(query, k=min(count, index.element_count))
    rows: RowArray = labels[0].astype(np.int64)
    return rows


def timed(answers: Callable[[FloatArray], RowArray], queries: FloatArray) -> tuple[float, list[RowArray]]:
    """Milliseconds of CPU per query, and the answers."""
    answers(queries[0])
    begun = time.process_time()
    found = [answers(query) for query in queries]
    return 1000 * (time.process_time() - begun) / len(queries), found


def recall(found: list[RowArray], exact: list[RowArray]) -> float:
    """The share of the exact answers that was found."""
    return float(np.mean([len(np.intersect1d(f, e)) / len(e) for f, e in zip(found, exact, strict=True)]))


def by_size(vectors: FloatArray, queries: FloatArray, count: int, folder: Path) -> None:
    """Unfiltered: catalogues of growing size."""
    print("|creators|scan ms|index ms|recall of the index|\n|---|---|---|---|")
    for size in (s for s in SIZES if s <= len(vectors)):
        part, path = vectors[:size], folder / f"{size}.bin"
        build_index(part, path)
        index = open_index(path, size)
        scan_ms, exact = timed(lambda query, part=part: scan(part, query, count), queries)  # type: ignore[misc]  # a default binds the loop variable
        index_ms, found = timed(lambda query, index=index: search(index, query, count), queries)  # type: ignore[misc]  # the same
        print(f"|{size:,}|{scan_ms:.3f}|{index_ms:.3f}|{recall(found, exact):.3f}|", flush=True)


def by_share(vectors: FloatArray, queries: FloatArray, count: int, folder: Path) -> None:
    """Filtered: the whole catalogue, of which a request may show a random share."""
    index, generator = open_index(folder / f"{len(vectors)}.bin", len(vectors)), np.random.default_rng(11)
    print("\n|share that may be shown|rows|scan of those rows ms|over-fetch ms|recall of over-fetch|\n|---|---|---|---|---|")
    for share in SHARES:
        allowed = generator.random(len(vectors)) < share
        rows = np.flatnonzero(allowed)
        scan_ms, exact = timed(lambda query, rows=rows: rows[scan(vectors[rows], query, count)], queries)  # type: ignore[misc]  # a default binds the loop variable

        def over_fetch(query: FloatArray, share: float = share, allowed: Any = allowed) -> RowArray:
            found = search(index, query, int(np.ceil(count / share)))
            kept: RowArray = found[allowed[found]][:count]
            return kept

        index_ms, found = timed(over_fetch, queries) if count / share <= len(vectors) / 4 else (float("nan"), [])
        reached = f"{index_ms:.3f}|{recall(found, exact):.3f}" if found else "not tried|"
        print(f"|{share:g}|{len(rows):,}|{scan_ms:.3f}|{reached}|", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creators", type=int, default=200_000)
    parser.add_argument("--candidates", type=int, default=200)
    options = parser.parse_args()
    both = clustered(np.random.default_rng(1), options.creators + QUERY_COUNT)
    vectors, queries = both[QUERY_COUNT:], both[:QUERY_COUNT]
    with tempfile.TemporaryDirectory() as folder:
        by_size(vectors, queries, options.candidates, Path(folder))
        by_share(vectors, queries, options.candidates, Path(folder))


if __name__ == "__main__":
    main()
