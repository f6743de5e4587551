"""What the service is allowed to know: the columns of the demo's tables, as arrays. Training and the parquet files are both made from these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.embed import Embeddings
from demo.listens import Story, history
from demo.world import GENRES, World
from domain.arrays import AnyArray, FloatArray, RowArray

HISTORY_LENGTH = 20  # what the ranker reads
HISTORY_KEPT = 30  # what users.parquet carries: longer than what is read, so that cutting to the newest is shown too


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Creators: embedding float32 [N, 24], genre_mix float32 [N, 15], completion_rate float32 [N] (NaN: too few listens), unit embeddings
    for similarity. Listeners: embedding float32 [U, 24], genre_affinity float32 [U, 15], followed rows, and the history as it was when the ranker's
    training sessions began and as it is now. What needs no work is read from `world` as it stands."""

    world: World
    creator_embedding: FloatArray
    creator_unit: FloatArray
    genre_mix: FloatArray
    completion_rate: FloatArray
    listener_embedding: FloatArray
    listener_unit: FloatArray
    genre_affinity: FloatArray
    followed: list[RowArray]
    history_then: list[RowArray]
    history_now: list[RowArray]


def gather_knowledge(world: World, story: Story, embeddings: Embeddings, seed: int) -> Knowledge:
    """The columns, from the listens of `story.before` alone; only the newest history also holds those of `story.ranked`."""
    genre_mix = world.creators.genre_mix.astype(np.float32)
    return Knowledge(
        world=world,
        creator_embedding=embeddings.creators,
        creator_unit=_unit(embeddings.creators),
        genre_mix=genre_mix,
        completion_rate=_completion_rate(world, embeddings.plays, seed),
        listener_embedding=embeddings.listeners,
        listener_unit=_unit(embeddings.listeners),
        genre_affinity=_genre_affinity(world, embeddings.plays, genre_mix),
        followed=story.followed,
        history_then=history(world, story.before, HISTORY_KEPT),
        history_now=history(world, [*story.before, *story.ranked], HISTORY_KEPT),
    )


def _unit(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _completion_rate(world: World, plays: AnyArray, seed: int) -> FloatArray:
    """How often a listen is finished: quality, seen through some noise, and unknown below five listens."""
    noise = np.random.default_rng([seed, 3]).normal(0.0, 0.3, len(world.creators))
    rate = 1.0 / (1.0 + np.exp(-(0.4 + 0.6 * world.creators.quality + noise)))
    known: FloatArray = np.where(plays.sum(axis=0) < 5, np.nan, rate).astype(np.float32)
    return known


def _genre_affinity(world: World, plays: AnyArray, genre_mix: FloatArray) -> FloatArray:
    """Shares of genres among the listens, the favourite genre counting as three more; each row sums to 1."""
    weights = plays @ genre_mix + 3.0 * np.eye(len(GENRES))[world.listeners.favourite_genre]
    shares: FloatArray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
