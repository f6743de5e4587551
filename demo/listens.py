"""Who listens to whom: the world's true affinity, and sessions drawn from it.

The affinity of a listener for a creator in a context is taste (drifting), home country, quality and fame, and how well the creator's energy suits the
hour and the activity. An embedding made of listens carries most of the taste and little of the rest: that is the ranker's to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.world import TIERS, World
from domain.arrays import AnyArray, RowArray

ACTIVITIES = ("commute", "focus", "party", "unwind", "workout")
_ACTIVITY_ENERGY = np.array([np.nan, 0.55, 0.25, 0.8, 0.2, 0.9])  # code 0 is "not said": then the hour decides
_SESSION_LISTENS = 10


@dataclass(frozen=True, slots=True)
class Session:
    """What every listener played in one sitting. moment: its place in the story, 0 to 1. hour float [U], 0 to 24; activity int64 [U], 0: not said,
    else 1 + its place in ACTIVITIES. played: int64 rows per listener, in the order played; no row twice."""

    moment: float
    hour: AnyArray
    activity: AnyArray
    played: list[RowArray]


@dataclass(frozen=True, slots=True)
class Story:
    """Three stretches of time: `before` anybody is followed, `ranked` after that, and `heldout`, which nobody learns from.

    followed: int64 rows per listener. They are never played in `ranked` and `heldout`, as the service leaves them out of its slates.
    """

    before: list[Session]
    ranked: list[Session]
    heldout: Session
    followed: list[RowArray]


def tell_story(world: World, seed: int, session_count: int = 12, ranked_count: int = 5) -> Story:
    """Draw all sessions. Newcomers appear in `heldout` only."""
    rng = np.random.default_rng([seed, 1])
    before = [_play(world, rng, 0.8 * i / session_count, None) for i in range(session_count)]
    followed = _follow(world, rng, before)
    ranked = [_play(world, rng, 0.8 + 0.15 * i / ranked_count, followed) for i in range(ranked_count)]
    return Story(before, ranked, _play(world, rng, 1.0, followed, newcomers=True), followed)


def _play(world: World, rng: np.random.Generator, moment: float, followed: list[RowArray] | None, newcomers: bool = False) -> Session:
    """One session of everybody: the best of affinity plus Gumbel noise, which is sampling without replacement by softmax."""
    count = len(world.listeners)
    hour = rng.integers(0, 24, count).astype(np.float64)
    activity = np.where(rng.random(count) < 0.4, 0, rng.integers(1, 1 + len(ACTIVITIES), count))
    appeal = affinity(world, moment, hour, activity) + rng.gumbel(size=(count, len(world.creators)))
    if followed is not None:
        for listener, rows in enumerate(followed):
            appeal[listener, rows] = -np.inf
    best = np.argpartition(-appeal, _SESSION_LISTENS, axis=1)[:, :_SESSION_LISTENS]
    order = np.argsort(-np.take_along_axis(appeal, best, axis=1), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    lengths = rng.integers(4, 1 + _SESSION_LISTENS, count)
    if not newcomers:
        lengths[world.listeners.newcomer] = 0
    return Session(moment, hour, activity, [row[:length].astype(np.int64) for row, length in zip(best, lengths, strict=True)])


def affinity(world: World, moment: float, hour: AnyArray, activity: AnyArray) -> AnyArray:
    """The hidden truth: float64 [U, N], -inf where the creator is not available to the listener."""
    creators, listeners = world.creators, world.listeners
    taste = listeners.taste(moment) @ creators.taste.T
    at_home = listeners.country[:, None] == creators.country[None, :]
    fame = np.array([-1.6, -0.5, 0.3])[creators.tier] + 0.9 * creators.quality
    mood = -np.abs(creators.energy[None, :] - wanted_energy(hour, activity)[:, None])
    appeal = 12.0 * taste + 1.5 * at_home + 0.6 * fame[None, :] + 4.0 * mood
    return np.where(creators.available[:, listeners.country].T, appeal, -np.inf)


def wanted_energy(hour: AnyArray, activity: AnyArray) -> AnyArray:
    """The energy that suits a context, [U]: that of the activity, else high in the early evening and low before dawn."""
    by_hour = 0.5 + 0.3 * np.cos((hour - 18.0) / 24.0 * 2.0 * np.pi)
    return np.where(activity == 0, by_hour, _ACTIVITY_ENERGY[activity])


def _follow(world: World, rng: np.random.Generator, sessions: Sequence[Session]) -> list[RowArray]:
    """Each listener follows some of those played more than once; established creators are followed more readily."""
    chance = np.linspace(0.15, 0.45, len(TIERS))[world.creators.tier]
    followed = []
    for listener in range(len(world.listeners)):
        rows, plays = np.unique(np.concatenate([s.played[listener] for s in sessions]), return_counts=True)
        again = rows[plays > 1]
        followed.append(again[rng.random(len(again)) < chance[again]].astype(np.int64))
    return followed
