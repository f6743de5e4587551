"""Building an index: the graph, its file, and the effort that reaches the asked recall."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import hnswlib
import numpy as np

from domain.arrays import FloatArray
from domain.deadline import Clock
from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, OutputNotWritable
from domain.stages import Progress
from retrieval.cost import index_pays
from retrieval.description import COSINE, INDEX_FILE, INNER_PRODUCT, IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.hnsw_file import check_index_file, check_vectors
from retrieval.queries import sample_queries
from retrieval.tuning import Probe, efforts, exact_answers, tune
from retrieval.vectors import index_vectors, padded_dimension_count, reduction_for

CHUNK_ROWS = 8192
"""Rows added at a time: seconds of work, so that progress moves and Ctrl-C is heard, and long enough that starting threads does not count."""

EFFORT_CAP = 5000
"""Efforts beyond it cost several milliseconds a request, where the exact scan of a million creators costs 15."""

WIDEST_EFFORT = 4
"""Where several thousand candidates are asked for, efforts up to so many times their count are tried."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to build. m, ef_construction: hnswlib's. candidate_count: where recall is measured; recall: the floor.

    threads: with more than one, hnswlib's graph depends on their timing: same quality, other bytes. clock: times the recall curve, in seconds.
    """

    space: str
    m: int = 16
    ef_construction: int = 200
    candidate_count: int = 200
    recall: float = 0.95
    threads: int = 1
    seed: int = 100
    query_count: int = 1000
    clock: Clock = time.perf_counter

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.space not in {COSINE, INNER_PRODUCT}:
            raise ConfigurationError(f"space is {self.space!r}; it must be 'cosine' or 'ip'")
        if not 2 <= self.m <= 512 or not self.m <= self.ef_construction <= 10_000:
            raise ConfigurationError(f"m is {self.m} (2 to 512), ef_construction {self.ef_construction} (m to 10000)")
        if self.candidate_count < 1 or not 0.0 < self.recall <= 1.0 or self.threads < 1 or self.query_count < 1:
            raise ConfigurationError(
                f"candidate_count {self.candidate_count}, threads {self.threads} and query_count {self.query_count} must be positive, "
                f"recall {self.recall} above 0 and at most 1"
            )


def build_index(
    embeddings: FloatArray, norms: FloatArray, queries: FloatArray | None, directory: Path, options: IndexOptions, progress: Progress
) -> IndexDescription:
    """Build, write and measure `directory`/hnsw.bin; the directory exists.

    embeddings: float32 [N, D] as given, N >= 1, finite, no zero vectors; norms: float32 [N]; queries: embeddings of users, float32 [U, D], or
    None: then perturbed creators stand in. Needs the index in memory (about 1.6 x the embeddings at 64 dimensions) and some 300 MB.
    ArtifactError QUALITY_GATE when no effort up to the cap reaches the asked recall. OutputNotWritable when the file cannot be written whole.
    """
    reduction = reduction_for(options.space, norms)
    planned = IndexDescription(
        space=options.space,
        dimension_count=embeddings.shape[1],
        padded_dimension_count=padded_dimension_count(embeddings.shape[1], reduction),
        count=len(embeddings),
        m=options.m,
        ef_construction=options.ef_construction,
        ef=options.candidate_count,
        candidate_count=options.candidate_count,
        recall=1.0,
        max_norm=float(norms.max()),
        reduction=reduction,
    )
    index = _graph(embeddings, norms, planned, options, progress)
    path = directory / INDEX_FILE
    _save(index, path)
    check_index_file(path, planned)
    check_vectors(path, planned, embeddings, norms)
    sampled = sample_queries(queries, embeddings, norms, options.query_count, options.seed)
    exact = ExactSource(embeddings, norms, np.arange(planned.count), options.space)
    truth = exact_answers(embeddings, norms if options.space == COSINE else None, sampled, min(options.candidate_count, planned.count), progress)
    return _tuned(Probe(index, planned.padded_dimension_count, exact, truth, options.clock), path, planned, options.recall, progress)


def _graph(embeddings: FloatArray, norms: FloatArray, wanted: IndexDescription, options: IndexOptions, progress: Progress) -> hnswlib.Index:
    index = hnswlib.Index(space="ip", dim=wanted.padded_dimension_count)
    index.init_index(max_elements=wanted.count, M=wanted.m, ef_construction=wanted.ef_construction, random_seed=options.seed)
    progress.start("build the index", wanted.count)
    for start in range(0, wanted.count, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, wanted.count)
        vectors = index_vectors(np.asarray(embeddings[start:stop]), np.asarray(norms[start:stop]), wanted.space, wanted.reduction, wanted.max_norm)
        index.add_items(vectors, np.arange(start, stop), num_threads=options.threads)
        progress.advance(stop - start)
    return index


def _save(index: hnswlib.Index, path: Path) -> None:
    """Write durably. hnswlib reports no error of its own (a full disk, say), so the size is compared; the caller reads the file again."""
    unfinished = path.with_suffix(".unfinished")
    try:
        index.save_index(str(unfinished))
        written, wanted = unfinished.stat().st_size, int(index.index_file_size())
        if written != wanted:
            raise OutputNotWritable(f"{path}: {written} of {wanted} bytes were written; is the disk full?")
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputNotWritable(f"{path}: cannot be written ({error})") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _tuned(probe: Probe, path: Path, planned: IndexDescription, recall: float, progress: Progress) -> IndexDescription:
    """The description with the least effort that promises the asked recall."""
    least = min(planned.candidate_count, planned.count)
    cap = min(planned.count, max(EFFORT_CAP, WIDEST_EFFORT * least))
    enough, points = tune(probe, list(efforts(least, cap)), recall, progress)
    curve = tuple((point.effort, point.mean, point.milliseconds) for point in points)
    if enough is not None:
        return replace(planned, ef=enough.effort, recall=enough.promised, curve=curve)
    if not index_pays(least, planned.count):  # so small that every request is served by the scan, with full recall, and never by this graph
        return replace(planned, ef=cap, recall=1.0, curve=curve)
    best = max(points, key=lambda point: point.promised)
    raise ArtifactError(
        path,
        ArtifactReason.QUALITY_GATE,
        f"recall at {least} candidates is {best.mean:.4f} ({best.promised:.4f} allowing for the sample) with effort {best.effort}; {recall:g} was "
        f"asked and no effort up to {cap} reaches it. Ask for less (--recall), build a denser graph (m is {planned.m}, ef_construction "
        f"{planned.ef_construction}), or train embeddings that are told apart by angle (--space cosine); equal embeddings also cut a graph in pieces",
    )
