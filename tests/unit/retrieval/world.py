"""A seeded catalogue in memory, the plain-NumPy truth about it, and a progress that counts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from domain.columns import Creators, Markets
from domain.deadline import Deadline
from domain.request import User

NEVER = Deadline.never(time.monotonic)


def clustered(seed, count, dims, clusters=20, spread=0.6):
    """Points around shared centres (the same for every seed): float32 [count, dims]."""
    centres = np.random.default_rng(7).normal(size=(clusters, dims))
    random = np.random.default_rng(seed)
    return (centres[random.integers(0, clusters, count)] + spread * random.normal(size=(count, dims))).astype(np.float32)


def norms_of(embeddings):
    return np.linalg.norm(embeddings.astype(np.float64), axis=1).astype(np.float32)


def creators_of(embeddings, ids=None, markets=None, tiers=None, tier_names=()):
    """Creators with ids in shuffled order, so that ids and rows differ. markets: list per row of market names, None for everywhere."""
    count = len(embeddings)
    if ids is None:
        ids = [f"c{n:06d}" for n in np.random.default_rng(3).permutation(count)]
    keys = np.array([i.encode() for i in ids])
    order = np.argsort(keys, kind="stable")
    ranks = np.empty(count, np.int64)
    ranks[order] = np.arange(count)
    embeddings = np.ascontiguousarray(embeddings, np.float32)
    return Creators(
        keys,
        order,
        ranks,
        embeddings,
        norms_of(embeddings),
        {},
        None if tiers is None else np.array(tiers, np.uint8),
        tier_names,
        None,
        _markets(markets),
    )


def _markets(markets):
    if markets is None:
        return None
    names = sorted({name for row in markets if row is not None for name in row})
    everywhere = np.array([row is None for row in markets])
    available = [np.array([row is None or name in row for row in markets]) for name in names]
    return Markets(
        {name: place for place, name in enumerate(names)},
        np.array([np.packbits(a, bitorder="little") for a in available]).reshape(len(names), -1),
        np.packbits(everywhere, bitorder="little"),
        [np.flatnonzero(a) for a in available],
        np.flatnonzero(everywhere),
    )


def similarities(creators, query, space):
    """Float64, [N]."""
    products = creators.embeddings.astype(np.float64) @ np.asarray(query, np.float64)
    if space == "cosine":
        lengths = np.linalg.norm(creators.embeddings.astype(np.float64), axis=1)
        return products / (lengths * np.linalg.norm(np.asarray(query, np.float64)))
    return products


def best(creators, query, space, count):
    """The exact answer: rows, best first, ties by id."""
    return np.lexsort((creators.id_ranks, -similarities(creators, query, space)))[:count]


def user(followed=()):
    return User("u", np.ones(2, np.float32), {}, {}, np.array(followed, np.int64))


@dataclass
class Counting:
    """A Progress that remembers what it was told."""

    tasks: list = field(default_factory=list)
    done: list = field(default_factory=list)

    def start(self, task, total):
        self.tasks.append((task, total))
        self.done.append(0)

    def advance(self, done):
        self.done[-1] += done


def assert_ordered(creators, found):
    """Best first, ties by id, no row twice."""
    again = np.lexsort((creators.id_ranks[found.rows], -found.similarities))
    assert np.array_equal(again, np.arange(len(found)))
    assert len(np.unique(found.rows)) == len(found)
    assert found.rows.dtype == np.int64
    assert found.similarities.dtype == np.float32
    assert found.sources.dtype == np.uint8
