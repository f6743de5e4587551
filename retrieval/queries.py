"""The queries that recall is measured with."""

from __future__ import annotations

import numpy as np

from domain.arrays import FloatArray, RowArray

LEAST_QUERY_COUNT = 200
"""With fewer users than this, perturbed copies of them fill up: a handful of queries measures no recall."""

NOISE = 0.3
"""Norm of what is added to a unit vector to make a query of it: off the catalogue's own points, as listeners are, yet in their midst."""


def sample_queries(users: FloatArray | None, embeddings: FloatArray, norms: FloatArray, count: int, seed: int) -> FloatArray:
    """At most `count` queries, float32 [Q, D]: a sample of `users` [U, D] where there are any, else perturbed creators. Same seed, same queries."""
    random = np.random.default_rng(seed)
    if users is None or not len(users):
        rows = _some(random, len(embeddings), count)
        return _perturbed(random, embeddings[rows] / norms[rows][:, None], count)
    chosen: FloatArray = np.array(users[_some(random, len(users), count)], np.float32)
    lacking = min(LEAST_QUERY_COUNT, count) - len(chosen)
    if lacking <= 0:
        return chosen
    return np.concatenate((chosen, _perturbed(random, chosen / np.linalg.norm(chosen, axis=1, keepdims=True), lacking)))


def _some(random: np.random.Generator, total: int, count: int) -> RowArray:
    return np.sort(random.choice(total, min(total, count), replace=False))


def _perturbed(random: np.random.Generator, units: FloatArray, count: int) -> FloatArray:
    """`count` vectors near unit vectors, each of which is used about equally often."""
    noise = random.standard_normal((count, units.shape[1])) * (NOISE / np.sqrt(units.shape[1]))
    perturbed: FloatArray = (units[np.arange(count) % len(units)] + noise).astype(np.float32)
    return perturbed
