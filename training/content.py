"""What is known of a creator beside tags, as words among its tags: the towers read markets and age as they read genres, for creators without a
listen too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from domain.listens import NO_TIME, NO_USER, SideTables

YEAR_S = 31_556_952  # the mean Gregorian year
EPOCH_YEAR = 1970
WORD = re.compile(r"\w+")


def with_content_words(side: SideTables, names: bool) -> SideTables:
    """The same side tables with a tag "market:SE" for every market, "since:2024" for the year of create_time and, where `names`, "name:dj" for every
    word of the name; given by nobody, so that no listen that is held out takes them away. A creator that is available everywhere has no market."""
    words = sorted(set(_words(side, names)))
    if not words:
        return side
    places = {word: len(side.tag_names) + place for place, word in enumerate(sorted({word for _, word in words}))}
    creators = np.array([creator for creator, _ in words], np.int64)
    return replace(
        side,
        tag_names=(*side.tag_names, *places),
        tag_users=np.concatenate([side.tag_users, np.full(len(words), NO_USER, np.int64)]),
        tag_creators=np.concatenate([side.tag_creators, creators]),
        tags=np.concatenate([side.tags, np.array([places[word] for _, word in words], np.int64)]),
        tag_times_s=None,
    )


def _words(side: SideTables, names: bool) -> Iterator[tuple[int, str]]:
    """(creator, word)."""
    if side.markets is not None:
        yield from ((creator, f"market:{market}") for creator, markets in enumerate(side.markets) for market in markets or ())
    if side.create_times_s is not None:
        yield from (
            (creator, f"since:{EPOCH_YEAR + time_s // YEAR_S}") for creator, time_s in enumerate(side.create_times_s.tolist()) if time_s != NO_TIME
        )
    if names:
        yield from ((creator, f"name:{word}") for creator, name in enumerate(side.names) for word in WORD.findall(name.lower()))
