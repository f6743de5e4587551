"""What is looked at while towers train: do the candidates hold what was put aside, and are creators found whom nobody has played?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domain.arrays import BoolArray, RowArray
from training.fit_towers import QUALITY
from training.folds import Fold
from training.knowledge import Knowledge
from training.slates import LEAST_LISTENS, retrieve
from training.space import Space

REACHES = (50, 200, 500)
ASKED = 400  # users: every epoch is looked at, and searching for all of them would take as long as training


def watch_recall(known: Knowledge, fold: Fold, candidates: int) -> Callable[[Space], dict[str, float]]:
    """A watch that gives recall@50/200/500 of heard creators and recall@50 of new ones, among all; and what decides: how much of everything that was
    put aside is `found` among so many candidates."""
    everything = np.ones(len(fold.aside), np.bool_)
    heard = ~fold.new[fold.aside.creators]

    def look(space: Space) -> dict[str, float]:
        found = {f"recall_{reach}": value for reach, value in _recalls(known, fold, heard, space, REACHES).items()}
        found |= {f"new_recall_{reach}": value for reach, value in _recalls(known, fold, ~heard, space, REACHES[:1]).items()}
        return found | {QUALITY: _recalls(known, fold, everything, space, (candidates,))[candidates]}

    return look


def _recalls(known: Knowledge, fold: Fold, part: BoolArray, space: Space, reaches: tuple[int, ...]) -> dict[int, float]:
    user_count, creator_count = known.played.shape
    users, creators = fold.aside.users[part], fold.aside.creators[part]
    wanted = np.bincount(users, minlength=user_count)
    everybody = np.flatnonzero((wanted > 0) & (known.history_length >= LEAST_LISTENS))
    asking: RowArray = everybody[:: max(1, len(everybody) // ASKED)]
    candidates = retrieve(space, known.played, asking, min(max(reaches), creator_count - 1))
    hits = np.isin(asking[:, None] * creator_count + candidates, users * creator_count + creators)
    return {reach: float((hits[:, :reach].sum(axis=1) / wanted[asking]).mean()) if len(asking) else 0.0 for reach in reaches}
