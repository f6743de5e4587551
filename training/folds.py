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


def make_fold(listens: Listens, side: SideTables, seed: int) -> Fold:
    """A random cut. A tag goes with the listen of the user who gave it, as it would when that listen is yet to come."""
    random = np.random.default_rng(seed)
    new = random.random(len(listens.creator_ids)) < NEW_SHARE
    away = random.random(len(listens)) < ASIDE_SHARE
    kept, gone = listens.where(~away & ~new[listens.creators]), listens.where(away | new[listens.creators])
    creator_count = max(1, len(listens.creator_ids))
    tagged = side.tag_users * creator_count + side.tag_creators
    lost = np.isin(tagged, gone.users * creator_count + gone.creators) & (side.tag_users >= 0)
    return Fold(kept, side.where_tags(~lost), gone, new)
