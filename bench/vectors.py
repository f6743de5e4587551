"""Two seeded sets of embeddings to search: easy clusters, and the spread of factorised listening data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray

DIMENSION_COUNT = 64


@dataclass(frozen=True, slots=True)
class Vectors:
    """creators: float32 [N, 64]; users: float32 [U, 64]; finite, no zero vectors, not normalised."""

    creators: FloatArray
    users: FloatArray


def clustered(creator_count: int, user_count: int, rng: np.random.Generator) -> Vectors:
    """Set A: a mixture of 1,000 Gaussian clusters of Zipf-like sizes; users come from the same mixture."""
    centres = rng.standard_normal((1000, DIMENSION_COUNT), np.float32)
    share = 1.0 / np.arange(10, 1010)
    share /= share.sum()

    def draw(count: int) -> FloatArray:
        picked = centres[rng.choice(len(centres), count, p=share)]
        return np.asarray(picked + 0.7 * rng.standard_normal((count, DIMENSION_COUNT), np.float32), np.float32)

    return Vectors(draw(creator_count), draw(user_count))


def listening(creator_count: int, user_count: int, rng: np.random.Generator) -> Vectors:
    """Set B: the spread of creators and listeners that implicit matrix factorisation (64 dims) makes of play counts.

    It imitates what ALS gives on the HetRec 2011 Last.fm listening counts (1,892 listeners, 17,632 artists), measured once: directions nearly
    isotropic (effective dimension 60 of 64, energy falling from 2.8 % to 0.4 % per axis) with a small common part (mean of the unit vectors 0.15);
    niche artists huddle around a few listeners' tastes (nearest neighbour at cosine 0.94, tenth at 0.83); creator norms log-normal over two orders
    of magnitude (quartiles 0.20 and 0.56, 99th percentile 3) and correlated with popularity (0.49); user norms narrow around 0.67; a listener's
    best few hundred creators spread over cosines from 0.9 down to 0.5. Synthesised from taste communities of skewed popularity: nothing is read.
    """
    communities = _communities(4000, rng)
    popularity = 1.0 / np.arange(20, 20 + len(communities)) ** 0.8
    share = popularity / popularity.sum()
    creators, prominence = _blends(communities, share, creator_count, 0.45, rng)
    noise = rng.standard_normal(creator_count, np.float32)
    norms = 0.36 * np.exp(0.9 * (0.49 * prominence + 0.87 * noise))
    users, _ = _blends(communities, share, user_count, 0.35, rng)
    user_norms = 0.67 * np.exp(0.3 * rng.standard_normal(user_count, np.float32))
    return Vectors((creators * norms[:, None]).astype(np.float32), (users * user_norms[:, None]).astype(np.float32))


def _communities(count: int, rng: np.random.Generator) -> FloatArray:
    """Unit directions of taste with a slightly falling spectrum and a common part."""
    axes = np.linspace(1.3, 0.6, DIMENSION_COUNT, dtype=np.float32)
    return _unit(rng.standard_normal((count, DIMENSION_COUNT), np.float32) * axes + np.float32(0.15))


def _blends(communities: FloatArray, share: FloatArray, count: int, noise: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(unit vectors [count, 64], each one main community with two lesser ones and noise; prominence [count]: log popularity, standardised)."""
    picked = rng.choice(len(communities), (count, 3), p=share)
    mixed = communities[picked[:, 0]]
    for place, weight in ((1, 0.5), (2, 0.25)):
        mixed = mixed + weight * rng.random((count, 1), np.float32) * communities[picked[:, place]]
    mixed = _unit(mixed) + noise * _unit(rng.standard_normal((count, DIMENSION_COUNT), np.float32))
    prominence = np.log(share[picked[:, 0]])
    return _unit(mixed), ((prominence - prominence.mean()) / prominence.std()).astype(np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


SETS: dict[str, Callable[[int, int, np.random.Generator], Vectors]] = {"clustered": clustered, "listening": listening}
