"""Metrics over many users at once. Rankings are int64 [U, K] creator codes, best first, -1 where nothing is shown, no creator twice in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.arrays import BoolArray, RowArray
from domain.listens import Listens

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What U users listened to and nobody was told. keys: int64, ascending, place of the user * creator count + creator.

    counts: int64 [U], all above zero.
    """

    keys: RowArray
    counts: RowArray
    creator_count: int

    @classmethod
    def of(cls, held_out: Listens, users: RowArray) -> Wanted:
        """The held-out listens of `users` (codes, ascending, each with one at least), in their order."""
        chosen = held_out.where(np.isin(held_out.users, users))
        places = np.searchsorted(users, chosen.users)
        counts = np.bincount(places, minlength=len(users))
        if len(counts) and counts.min() == 0:
            raise ValueError(f"user {users[int(counts.argmin())]} has no listen that is held out: no metric is defined")
        return cls(np.sort(places * len(held_out.creator_ids) + chosen.creators), counts, len(held_out.creator_ids))


def hits(shown: RowArray, wanted: Wanted) -> BoolArray:
    """Whether each shown creator was wanted by its user: bool, the shape of `shown`."""
    keys = np.arange(len(shown))[:, None] * wanted.creator_count + shown
    places = np.minimum(np.searchsorted(wanted.keys, keys), max(0, len(wanted.keys) - 1))
    found: BoolArray = (shown >= 0) & (wanted.keys[places] == keys) if len(wanted.keys) else np.zeros(shown.shape, np.bool_)
    return found


def recall(found: BoolArray, counts: RowArray, depth: int) -> Values:
    """Per user the share of all held-out listens that the first `depth` places show: float64 [U], 0 to 1."""
    values: Values = found[:, :depth].sum(axis=1) / counts
    return values


def ndcg(found: BoolArray, counts: RowArray, depth: int) -> Values:
    """Per user the discounted gain of the first `depth` places over that of the best order, which shows min(depth, held-out): float64 [U], 0 to 1.

    Gain 1 for a held-out listen, discount 1 / log2(1 + place), places from 1 (Jarvelin and Kekalainen 2002).
    """
    discounts = 1.0 / np.log2(np.arange(2, depth + 2))
    gained = found[:, :depth] @ discounts[: min(depth, found.shape[1])]
    values: Values = gained / np.cumsum(discounts)[np.minimum(counts, depth) - 1]
    return values


@dataclass(frozen=True)
class Exposure:
    """How slates spread attention over the catalogue. coverage: share of creators in one slate at least. gini: of places per creator, 0 when all
    get as many, towards 1 when few get all. emerging: share of places that show emerging creators."""

    coverage: float
    gini: float
    emerging: float


def exposure(shown: RowArray, emerging: BoolArray) -> Exposure:
    """Of slates int64 [U, K] over the catalogue that `emerging` (bool per creator) describes."""
    places = np.bincount(shown[shown >= 0], minlength=len(emerging))
    total = places.sum()
    return Exposure(float((places > 0).mean()), gini(places), float(places[emerging].sum() / total) if total else 0.0)


def gini(amounts: RowArray) -> float:
    """Gini coefficient of amounts >= 0: the mean difference between two of them, over twice their mean. 0 for nothing at all."""
    ascending = np.sort(amounts).astype(np.float64)
    total, count = ascending.sum(), len(ascending)
    if not total:
        return 0.0
    return float(2.0 * (np.arange(1, count + 1) @ ascending) / (count * total) - (count + 1) / count)
