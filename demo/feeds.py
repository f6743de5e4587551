"""The inputs of the demo's ranker, assembled from `Knowledge` for training. Serving assembles the same from the bundle, told by binding.toml."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.knowledge import HISTORY_LENGTH, Knowledge
from domain.arrays import AnyArray, FloatArray, RowArray

UNKNOWN_COMPLETION = 0.6  # stands in for a missing completion rate; binding.toml says the same
NEUTRAL_HOUR = 12.0
Feed = dict[str, AnyArray]


@dataclass(frozen=True, slots=True)
class Moment:
    """The context of one request: hour 0 to 24, activity code (0: not said)."""

    hour: float = NEUTRAL_HOUR
    activity: int = 0


class Feeds:
    """Makes feeds for one listener and a set of creators. Immutable."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._known = knowledge
        self._floats = _creator_floats(knowledge)
        self._codes = 1 + np.stack([knowledge.world.creators.country, knowledge.world.creators.genre], axis=1).astype(np.int64)

    def make(self, listener: int, rows: RowArray, moment: Moment, history: RowArray) -> Feed:
        """Input name -> array, as the ranker wants it; `history` newest last, of any length."""
        similarities = self.similarities(listener, rows)
        vectors, mask = self._history(history)
        return {
            "candidates": np.hstack([self._floats[rows], similarities[:, None]]),
            "creator_codes": self._codes[rows],
            "listener": self._listener(listener, moment),
            "listener_codes": self._listener_codes(listener, moment),
            "history": vectors,
            "history_mask": mask,
        }

    def similarities(self, listener: int, rows: RowArray) -> FloatArray:
        """Cosines, float32 [len(rows)]: what stage 1 says."""
        similarities: FloatArray = self._known.creator_unit[rows] @ self._known.listener_unit[listener]
        return similarities

    def _listener(self, listener: int, moment: Moment) -> FloatArray:
        known = self._known
        scalars = np.array([known.world.listeners.age_days[listener], moment.hour], np.float32)
        return np.concatenate([known.listener_embedding[listener], known.genre_affinity[listener], scalars])[None, :]

    def _listener_codes(self, listener: int, moment: Moment) -> RowArray:
        listeners = self._known.world.listeners
        return np.array([[1 + listeners.country[listener], 1 + listeners.favourite_genre[listener], moment.activity]], np.int64)

    def _history(self, history: RowArray) -> tuple[FloatArray, FloatArray]:
        newest = history[-HISTORY_LENGTH:]
        vectors = np.zeros((1, HISTORY_LENGTH, self._known.creator_embedding.shape[1]), np.float32)
        mask = np.zeros((1, HISTORY_LENGTH), np.float32)
        vectors[0, : len(newest)] = self._known.creator_embedding[newest]
        mask[0, : len(newest)] = 1.0
        return vectors, mask


def _creator_floats(known: Knowledge) -> FloatArray:
    """Everything of `candidates` but the similarity: float32 [N, 45]."""
    creators = known.world.creators
    completion = np.nan_to_num(known.completion_rate, nan=UNKNOWN_COMPLETION)
    present = ~np.isnan(known.completion_rate)
    scalars = [creators.followers, creators.release_count, creators.energy, completion, present, creators.verified]
    return np.hstack([known.creator_embedding, known.genre_mix, np.stack(scalars, axis=1).astype(np.float32)])
