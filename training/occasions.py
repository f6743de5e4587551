"""Who asked when, and what they heard then: the questions that slates are made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.arrays import AnyArray, BoolArray, FloatArray, RowArray
from domain.features import Categories, Features
from domain.listens import Listens
from training.columns import HISTORY_LENGTH, Columns

NO_CREATOR = -1
SLATE_LIMIT = 2_000  # per fold, where every occasion has its slate: training takes minutes with that many, and one user has several
SECONDS_PER_DAY = 86_400
UNTOLD_SHARE = 0.1  # of questions come without their occasion, so that the ranker knows what to do when a request says nothing
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Occasions:
    """s questions. users: int64 [s]. wanted: int64 [w, 2], (place among the questions, creator heard then). times_s: int64 [s], when it began, or
    None. numbers, codes: float32 [s, x] and int64 [s, y], the occasion's columns as they are fed."""

    users: RowArray
    wanted: RowArray
    times_s: RowArray | None
    numbers: FloatArray
    codes: RowArray

    def __len__(self) -> int:
        return len(self.users)

    def count_wanted(self, among: BoolArray | None = None) -> RowArray:
        """int64 [s]: how many creators were heard, of those that `among` (bool [creators], None: all) has."""
        counted = self.wanted if among is None else self.wanted[among[self.wanted[:, 1]]]
        return np.bincount(counted[:, 0], minlength=len(self))

    def part(self, chosen: RowArray) -> Occasions:
        """Some of the questions, ascending."""
        inside = self.wanted[np.isin(self.wanted[:, 0], chosen)]
        wanted = np.stack([np.searchsorted(chosen, inside[:, 0]), inside[:, 1]], axis=1)
        times_s = None if self.times_s is None else self.times_s[chosen]
        return Occasions(self.users[chosen], wanted, times_s, self.numbers[chosen], self.codes[chosen])


def occasions_of(aside: Listens, columns: Columns, seed: int) -> Occasions:
    """One question per user; where the data tells occasions apart, one per user and occasion of a day, SLATE_LIMIT of them at most."""
    plays = aside.plays
    if plays is None or not plays.context:
        users, places = np.unique(aside.users, return_inverse=True)
        wanted = np.stack([places, aside.creators], axis=1)
        return Occasions(users, wanted, None, *untold(columns, len(users)))
    random = np.random.default_rng([seed, 11])
    owners = aside.users[plays.pairs]
    first, places = _group(owners, plays.times_s, plays.context)
    wanted = np.unique(np.stack([places, aside.creators[plays.pairs]], axis=1), axis=0)
    times_s = None
    if plays.times_s is not None:
        times_s = np.full(len(first), np.iinfo(np.int64).max)
        np.minimum.at(times_s, places, plays.times_s)
    found = Occasions(owners[first], wanted, times_s, *_told(columns, plays.context, first, random))
    chosen = random.permutation(len(found))[:SLATE_LIMIT]
    return found.part(np.sort(chosen))


def untold(columns: Columns, count: int) -> tuple[FloatArray, RowArray]:
    """(numbers, codes) of occasions of which nothing is said: what the binding's defaults feed."""
    return np.repeat(columns.context.number_defaults, count, axis=0), np.zeros((count, len(columns.context.categories)), np.int64)


def _told(columns: Columns, context: Features, rows: RowArray, random: np.random.Generator) -> tuple[FloatArray, RowArray]:
    """The columns of the occasions of these rows, some of them left out."""
    at_rows = {name: column.at(rows) for name, column in context.items()}
    told = columns.context.numbers_of(at_rows, len(rows)), columns.context.codes_of(at_rows, len(rows))
    silent = (random.random(len(rows)) < UNTOLD_SHARE)[:, None]
    numbers, codes = untold(columns, len(rows))
    return np.where(silent, numbers, told[0]), np.where(silent, codes, told[1])


def _group(owners: RowArray, times_s: RowArray | None, context: Features) -> tuple[RowArray, RowArray]:
    """(the first row of each group, the group of each row): same user, same occasion, same day."""
    keys: list[AnyArray] = [owners] if times_s is None else [owners, times_s // SECONDS_PER_DAY]
    keys += [column.codes if isinstance(column, Categories) else np.nan_to_num(column.values[:, 0], nan=-1e30) for column in context.values()]
    order = np.lexsort(keys)
    changed = np.zeros(len(owners), np.bool_)
    for key in keys:
        changed[1:] |= key[order][1:] != key[order][:-1]
    groups = np.empty(len(owners), np.int64)
    groups[order] = np.cumsum(changed)
    _, first = np.unique(groups, return_index=True)
    return first, groups


class Histories:
    """What users heard last, by time. Immutable."""

    def __init__(self, listens: Listens) -> None:
        """Of these listens; everybody's is empty where the data has no times."""
        plays = listens.plays
        pairs, times_s = (_NONE, _NONE) if plays is None or plays.times_s is None else (plays.pairs, plays.times_s)
        users = listens.users[pairs]
        order = np.lexsort((times_s, users))
        self._creators, self._times_s = listens.creators[pairs][order], times_s[order]
        self._starts = np.searchsorted(users[order], np.arange(len(listens.user_ids) + 1))

    def before(self, users: RowArray, times_s: RowArray | None, length: int = HISTORY_LENGTH) -> RowArray:
        """int64 [len(users), length]: the last creators played before those times (None: at all), newest last, NO_CREATOR behind them."""
        starts, ends = self._starts[users], self._starts[users + 1]
        if times_s is not None:
            ends = starts + [np.searchsorted(self._times_s[a:b], t) for a, b, t in zip(starts, ends, times_s, strict=True)]
        counts = np.minimum(ends - starts, length)
        places = (ends - counts)[:, None] + np.arange(length)
        there = np.arange(length) < counts[:, None]
        newest: RowArray = np.append(self._creators, NO_CREATOR)[np.where(there, places, -1)]
        return newest
