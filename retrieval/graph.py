"""Growing hnswlib's graph over a catalogue."""

from __future__ import annotations

import hnswlib
import numpy as np

from domain.arrays import FloatArray
from domain.stages import Progress
from retrieval.copies import Copies
from retrieval.description import IndexDescription
from retrieval.options import IndexOptions
from retrieval.vectors import index_vectors, padded_dimension_count

CHUNK_ROWS = 8192
"""Rows added at a time: seconds of work, so that progress moves and Ctrl-C is heard, and long enough that starting threads does not count."""


def describe(embeddings: FloatArray, norms: FloatArray, reduction: str, copies: Copies, options: IndexOptions) -> IndexDescription:
    """The index that is to be built, not measured yet."""
    return IndexDescription(
        space=options.space,
        dimension_count=embeddings.shape[1],
        padded_dimension_count=padded_dimension_count(embeddings.shape[1], reduction),
        count=len(embeddings),
        copy_count=len(copies),
        m=options.m,
        ef_construction=options.ef_construction,
        ef=options.candidate_count,
        candidate_count=options.candidate_count,
        recall=1.0,
        max_norm=float(norms.max()),
        reduction=reduction,
    )


def grow(
    embeddings: FloatArray, norms: FloatArray, copies: Copies, wanted: IndexDescription, options: IndexOptions, progress: Progress
) -> hnswlib.Index:
    """The graph over all rows but copies; labels are rows. Adds in chunks, advancing the current task of `progress` by N in all."""
    index = hnswlib.Index(space="ip", dim=wanted.padded_dimension_count)
    index.init_index(max_elements=wanted.indexed_count, M=wanted.m, ef_construction=wanted.ef_construction, random_seed=options.seed)
    indexed = np.ones(wanted.count, np.bool_)
    indexed[copies.rows] = False
    for start in range(0, wanted.count, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, wanted.count)
        rows = start + np.flatnonzero(indexed[start:stop])
        vectors = index_vectors(embeddings[rows], norms[rows], wanted.space, wanted.reduction, wanted.max_norm)
        if len(rows):
            index.add_items(vectors, rows, num_threads=options.threads)
        progress.advance(stop - start)
    return index
