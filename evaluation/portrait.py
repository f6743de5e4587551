"""One listener by name: what was played in training, and what the slate shows. Figures say how good slates are; this lets a person look at one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.errors import ConfigurationError
from engine.recommend import Engine
from evaluation.served import SLATE_DEPTH, ServedSlates
from evaluation.split import Split

PLAYED_DEPTH = 20


@dataclass(frozen=True)
class Shown:
    """A creator of the slate. listened: the listen was held out, nobody who trained knew of it. emerging: without a single listen in training."""

    name: str
    listened: bool
    emerging: bool


@dataclass(frozen=True)
class Portrait:
    """played: names, the most played first. shown: the slate, best first."""

    user_id: str
    played: tuple[str, ...]
    shown: tuple[Shown, ...]


def portray(engine: Engine, split: Split, user_id: str) -> Portrait:
    """The portrait of one listener of the run. Raises ConfigurationError for a user that the run does not know."""
    if user_id not in split.kept.user_ids:
        raise ConfigurationError(f'--listener "{user_id}" is no user of the run; users.parquet names them, "{split.kept.user_ids[0]}" for instance')
    user = split.kept.user_ids.index(user_id)
    own = split.kept.where(split.kept.users == user)
    most = own.creators[np.argsort(-own.counts, kind="stable")[:PLAYED_DEPTH]]
    slate = ServedSlates(engine, split).slate_of(user, SLATE_DEPTH)
    held_out = set(split.held_out.creators[split.held_out.users == user].tolist())
    names = _names(engine, split)
    shown = (Shown(names[code], code in held_out, bool(split.cold[code])) for code in slate.tolist())
    return Portrait(user_id, tuple(names[code] for code in most.tolist()), tuple(shown))


def _names(engine: Engine, split: Split) -> list[str]:
    """By creator code; the id where there is no name."""
    ids = split.kept.creator_ids
    names = engine.creators.names_of(engine.creators.rows_of(ids))
    return [name or creator_id for name, creator_id in zip(names, ids, strict=True)]
