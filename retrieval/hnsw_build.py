"""Building an index: the graph, its file, and the effort that reaches the asked recall."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import hnswlib
import numpy as np

from domain.arrays import FloatArray
from domain.errors import ArtifactError, ArtifactReason, OutputNotWritable
from domain.stages import Progress
from retrieval.copies import find_copies, most_copies, write_copies
from retrieval.cost import SHIPPED
from retrieval.description import COSINE, INDEX_FILE, IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.graph import describe, grow
from retrieval.hnsw_file import check_index_file, check_vectors
from retrieval.hnsw_layout import near_order, rewrite, vectors_of
from retrieval.options import IndexOptions
from retrieval.queries import sample_queries
from retrieval.reduction import choose_reduction
from retrieval.tuning import Probe, efforts, exact_answers, tune, tune_fewer

__all__ = ["IndexDescription", "IndexOptions", "build_index"]

FEWER = (20, 50, 100, 200, 400)
"""Candidates for which an effort of their own is looked for: what is asked for while time is short."""

STEERED = 1.25
"""hnswlib takes its effort from the number of results, where that is above the least one of all, and 0.2 us for each: for the tuned effort that must
be hardly more than the candidates. Above it, every search has the tuned effort."""


def build_index(
    embeddings: FloatArray, norms: FloatArray, queries: FloatArray | None, directory: Path, options: IndexOptions, progress: Progress
) -> IndexDescription:
    """Build, write and measure `directory`/hnsw.bin (and copies.npy, see retrieval.copies, where needed); the directory exists.

    embeddings: float32 [N, D] as given, N >= 1, finite, no zero vectors; norms: float32 [N]; queries: embeddings of users, float32 [U, D], or
    None: then perturbed creators stand in. Needs the index in memory (about 1.6 x the embeddings at 64 dimensions) and some 300 MB.
    ArtifactError QUALITY_GATE when no effort up to the cap reaches the asked recall. OutputNotWritable when the file cannot be written whole.
    """
    sampled = sample_queries(queries, embeddings, norms, options.query_count, options.seed)
    copies = find_copies(embeddings, most_copies(options.m))
    planned = describe(embeddings, norms, choose_reduction(embeddings, norms, sampled, options, progress), copies, options)
    progress.start("build the index", planned.count)
    index = grow(embeddings, norms, copies, planned, options, progress)
    if len(copies):
        write_copies(copies, directory)
    _save(index, directory / INDEX_FILE)
    check_index_file(directory / INDEX_FILE, planned)
    check_vectors(directory / INDEX_FILE, planned, embeddings, norms)
    progress.start("compute the exact answers", planned.count)
    scale = norms if options.space == COSINE else None
    truth = exact_answers(embeddings, scale, sampled, min(options.candidate_count, planned.count), progress)
    exact = ExactSource(embeddings, norms, np.arange(planned.count), options.space)
    return _tuned(Probe(index, planned, copies, exact, truth, options.clock), directory / INDEX_FILE, options.recall, progress)


def _save(index: hnswlib.Index, path: Path) -> None:
    """Write durably, laid out for the cache. hnswlib reports no error of its own (a full disk, say), so the size is compared; the caller reads the
    file again."""
    unfinished, laid_out = path.with_suffix(".unfinished"), path.with_suffix(".laid-out")
    try:
        index.save_index(str(unfinished))
        written, wanted = unfinished.stat().st_size, int(index.index_file_size())
        if written != wanted:
            raise OutputNotWritable(path, f"{written} of {wanted} bytes were written; is the disk full?")
        rewrite(unfinished, laid_out, near_order(vectors_of(unfinished)[0]))
        with laid_out.open("rb") as file:
            os.fsync(file.fileno())
        laid_out.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputNotWritable(path, f"cannot be written ({error})") from error
    finally:
        unfinished.unlink(missing_ok=True)
        laid_out.unlink(missing_ok=True)


def _tuned(probe: Probe, path: Path, recall: float, progress: Progress) -> IndexDescription:
    """The description with the least effort that promises the asked recall."""
    planned = probe.described
    least = min(planned.candidate_count, planned.indexed_count)
    rungs = efforts(least, planned.indexed_count)
    enough, points = tune(probe, rungs, recall, progress)
    curve = tuple((point.effort, point.mean, point.milliseconds) for point in points)
    if enough is not None:
        counts = [count for count in FEWER if count < least] if enough.effort <= STEERED * least else []
        fewer = tune_fewer(probe, counts, enough.effort, recall, progress) if counts else []
        return replace(planned, ef=enough.effort, recall=enough.promised, curve=curve, fewer=tuple(fewer))
    if (
        SHIPPED.of_index(least, restricted=False) >= planned.count
    ):  # so small that every request is served by the scan, with full recall, and never by this graph
        return replace(planned, ef=rungs[-1], recall=1.0, curve=curve)
    best = max(points, key=lambda point: point.promised)
    raise ArtifactError(
        path,
        ArtifactReason.QUALITY_GATE,
        f"recall at {least} candidates is {best.mean:.4f} ({best.promised:.4f} allowing for the sample) with effort {best.effort}; {recall:g} was "
        f"asked and no effort up to {rungs[-1]} reaches it. Ask for less (--recall), build a denser graph (--index-m is {planned.m}, "
        f"--index-ef-construction {planned.ef_construction}), or train embeddings that are told apart by angle (--space cosine)",
    )
