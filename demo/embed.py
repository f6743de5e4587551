"""Embeddings of listeners and creators, factorised from listens; those without listens get theirs from what is known about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.listens import Session
from demo.names import COUNTRIES
from demo.world import GENRES, World
from domain.arrays import AnyArray, FloatArray

DIMENSIONS = 24  # no multiple of 16 on purpose: the index pads, and the demo should show that it does
_CONFIDENCE = 12.0  # how much more one listen counts than no listen (Hu, Koren and Volinsky 2008)
_REGULARISATION = 8.0
_ITERATIONS = 8
_TRUST = 3.0  # listens at which a creator's factorised embedding and the one from its content weigh the same


@dataclass(frozen=True, slots=True)
class Embeddings:
    """listeners float32 [U, 24], creators float32 [N, 24]; plays float32 [U, N], the counts that they were made from."""

    listeners: FloatArray
    creators: FloatArray
    plays: AnyArray


def embed(world: World, sessions: list[Session], seed: int) -> Embeddings:
    """Factorise the plays of `sessions`; fill in newcomers and creators that nobody or few have played."""
    plays = count_plays(world, sessions)
    weights = _CONFIDENCE * np.log1p(plays)
    creators = np.random.default_rng([seed, 2]).normal(0.0, 0.1, (plays.shape[1], DIMENSIONS))
    for _ in range(_ITERATIONS):
        listeners = _solve(creators, weights)
        creators = _solve(listeners, weights.T)
    creators = _blend_with_content(world, creators, plays)
    listeners = _greet_newcomers(world, listeners, creators)
    return Embeddings(listeners.astype(np.float32), creators.astype(np.float32), plays)


def count_plays(world: World, sessions: list[Session]) -> AnyArray:
    """How often each listener played each creator: float32 [U, N]."""
    plays = np.zeros((len(world.listeners), len(world.creators)), np.float32)
    for session in sessions:
        for listener, rows in enumerate(session.played):
            plays[listener, rows] += 1.0
    return plays


def _solve(fixed: AnyArray, weights: AnyArray) -> AnyArray:
    """One half of alternating least squares: for each row of `weights` [R, C], the vector that explains it best given `fixed` [C, 24]."""
    base = fixed.T @ fixed + _REGULARISATION * np.eye(DIMENSIONS)
    solved = np.zeros((len(weights), DIMENSIONS))
    for row, weight in enumerate(weights):
        seen = np.flatnonzero(weight)
        near = fixed[seen]
        solved[row] = np.linalg.solve(base + (near.T * weight[seen]) @ near, near.T @ (1.0 + weight[seen]))
    return solved


def _blend_with_content(world: World, creators: AnyArray, plays: AnyArray) -> AnyArray:
    """The fewer the plays, the more of the embedding that a ridge regression expects from genre, country and energy."""
    heard = plays.sum(axis=0)
    content = _content(world)
    known = heard >= _TRUST
    gram = content[known].T @ content[known] + 1.0 * np.eye(content.shape[1])
    expected = content @ np.linalg.solve(gram, content[known].T @ creators[known])
    trust = (heard / (heard + _TRUST))[:, None]
    blended: AnyArray = trust * creators + (1.0 - trust) * expected
    return blended


def _content(world: World) -> AnyArray:
    creators = world.creators
    return np.hstack([creators.genre_mix, np.eye(len(COUNTRIES))[creators.country], creators.energy[:, None]])


def _greet_newcomers(world: World, listeners: AnyArray, creators: AnyArray) -> AnyArray:
    """Who has never listened starts at the middle of the favourite genre."""
    middles = np.stack([creators[world.creators.genre == genre].mean(axis=0) for genre in range(len(GENRES))])
    newcomer = world.listeners.newcomer[:, None]
    return np.where(newcomer, middles[world.listeners.favourite_genre], listeners)
