"""From embeddings as given to the vectors that hnswlib sees, and the same for queries.

hnswlib always gets space 'ip' and vectors zero-padded to a multiple of 16, where its SIMD path is complete; padding changes no product. For
cosine they have norm 1; for inner products they are divided by the largest norm M.

Inner products of varying norm are no metric, and a graph search can get stuck at long vectors. The reduction appends sqrt(1 - |x/M|^2); queries
get 0 there. Products with the query keep their order, and since every vector now has norm 1, |a - b|^2 = 2 - 2ab: 'ip' and 'l2' order them
alike, so the graph is built in a proper metric. retrieval.reduction decides when to use it.
"""

from __future__ import annotations

import math

import numpy as np

from domain.arrays import FloatArray
from retrieval.description import COSINE

LANES = 16
"""hnswlib's widest SIMD loop takes 16 floats at a time; other lengths take a slower residual path."""


def padded_dimension_count(dimension_count: int, reduction: str) -> int:
    """The length of the vectors in the index."""
    wanted = dimension_count + (1 if reduction else 0)
    return -(-wanted // LANES) * LANES


def index_vectors(embeddings: FloatArray, norms: FloatArray, space: str, reduction: str, max_norm: float) -> FloatArray:
    """The vectors of some creators as they go into the index: float32 [n, padded], C order. embeddings: [n, D] as given; norms: [n]."""
    count, width = embeddings.shape
    vectors = np.zeros((count, padded_dimension_count(width, reduction)), np.float32)
    scale = norms if space == COSINE else np.full(count, max_norm, np.float32)
    np.divide(embeddings, scale[:, None], out=vectors[:, :width])
    if reduction:
        share = norms.astype(np.float64) / max_norm
        vectors[:, width] = np.sqrt(np.maximum(0.0, 1.0 - share * share))
    return vectors


def unit(vector: FloatArray) -> FloatArray:
    """`vector` divided by its norm; a zero vector as it is."""
    norm = math.hypot(*vector.tolist())  # once per request, with cold caches: a BLAS takes 20 us for it
    return vector / np.float32(norm) if norm > 0.0 else vector


def index_query(query: FloatArray, padded: int) -> FloatArray:
    """A query as hnswlib takes it: float32 [1, padded], norm 1. query: float32 [D]."""
    normalised = unit(query)[None]
    if len(query) == padded:
        return normalised
    buffer = np.zeros((1, padded), np.float32)
    buffer[:, : len(query)] = normalised
    return buffer


def as_query(query: FloatArray, dimension_count: int) -> FloatArray:
    """Any array of the right length as contiguous float32 [D]. hnswlib does not check lengths, so another length is a ValueError here."""
    vector = np.ascontiguousarray(query, np.float32)
    if vector.shape != (dimension_count,):
        raise ValueError(f"the query has shape {vector.shape}; the catalogue's embeddings have {dimension_count} dimensions")
    return vector
