"""Inner folds: the training listens are cut again, so that the ranker learns from scores of listens that no score has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray
from domain.listens import Listens, SideTables

ASIDE_SHARE = 0.2
NEW_SHARE = 0.05  # of creators lose all their listens: the ranker must meet creators that nobody has played yet


@dataclass(frozen=True)
class Fold:
    """listens, side: to learn from. aside: what was put away. new: bool [creators], of whom all listens were."""

    listens: Listens
    side: SideTables
    aside: Listens
    new: BoolArray


def make_fold(listens: Listens, side: SideTables, seed: int, number: int = 0) -> Fold:
    """Cut number `number`. Where the data has times, what each user played last is put aside, and the fold before it knows nothing of that at all:
    the ranker learns to look ahead, as it will have to. Without times the cut is random.

    A tag goes with the listen of the user who gave it, as it would when that listen is yet to come. What is put away of creators whom the user
    follows is not asked for: no slate shows them.
    """
    random = np.random.default_rng(seed)
    new = random.random(len(listens.creator_ids)) < NEW_SHARE
    of_new = new[listens.creators]
    kept, gone = _by_time(listens, of_new, number) if listens.times_s is not None else _by_chance(of_new, random)
    creator_count = max(1, len(listens.creator_ids))
    pairs, tagged = listens.users * creator_count + listens.creators, side.tag_users * creator_count + side.tag_creators
    lost = np.isin(tagged, pairs[~kept]) & (side.tag_users >= 0)
    followed = np.isin(pairs, side.followed[:, 0] * creator_count + side.followed[:, 1])
    return Fold(listens.where(kept), side.where_tags(~lost), listens.where(gone & ~followed), new)


def _by_chance(of_new: BoolArray, random: np.random.Generator) -> tuple[BoolArray, BoolArray]:
    """(kept, gone): every listen is one of them."""
    gone: BoolArray = (random.random(len(of_new)) < ASIDE_SHARE) | of_new
    return ~gone, gone


def _by_time(listens: Listens, of_new: BoolArray, number: int) -> tuple[BoolArray, BoolArray]:
    """(kept, gone): before, and in, the last fifth of each user's listens, or for higher numbers those before it; of new creators none is kept."""
    assert listens.times_s is not None
    order = np.lexsort((listens.times_s, listens.users))
    starts = np.searchsorted(listens.users[order], listens.users)
    ranks = np.empty(len(listens), np.int64)
    ranks[order] = np.arange(len(listens))
    shares = (ranks - starts + 0.5) / np.bincount(listens.users, minlength=1)[listens.users]
    begin = 1.0 - ASIDE_SHARE * (number + 1)
    return (shares < begin) & ~of_new, (shares >= begin) & (shares < begin + ASIDE_SHARE)
