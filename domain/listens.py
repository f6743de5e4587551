"""Listening data as training and evaluation share it: who played whom how often, and what else is known. Arrays and ids, nothing fitted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.features import Features

NO_TIME = np.iinfo(np.int64).min  # in SideTables.create_times_s: nobody knows when
NO_USER = -1  # in SideTables.tag_users: the tag comes from the catalogue, not from a listener


@dataclass(frozen=True)
class Plays:
    """The r rows that were added up to the pairs of some Listens, in any order: what a pair cannot say.

    pairs: int64 [r], the place of each row's pair. times_s: int64 [r], UTC seconds, or None where the data has no times. context: what is known of
    the occasion on which it was played, r long.
    """

    pairs: RowArray
    times_s: RowArray | None = None
    context: Features = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pairs)

    def where_pairs(self, keep: BoolArray) -> Plays:
        """The rows of the pairs with keep [n] True, counted among those."""
        rows = keep[self.pairs]
        pairs = (np.cumsum(keep) - 1)[self.pairs[rows]]
        times_s = None if self.times_s is None else self.times_s[rows]
        return Plays(pairs, times_s, {name: column.at(rows) for name, column in self.context.items()})


@dataclass(frozen=True)
class Listens:
    """n distinct (user, creator) pairs with how often the user played the creator, in any order.

    user_ids, creator_ids: everybody that is known, with or without listens; a code is a place in them. users, creators: int64 [n] codes.
    counts: float32 [n], above zero. times_s: int64 [n], UTC seconds of the last play, or None where the data has no times.
    plays: the rows that the pairs were added up from, or None where they say no more than the pairs.
    """

    user_ids: tuple[str, ...]
    creator_ids: tuple[str, ...]
    users: RowArray
    creators: RowArray
    counts: FloatArray
    times_s: RowArray | None = None
    plays: Plays | None = None

    def __post_init__(self) -> None:
        _check_codes("users", self.users, len(self.user_ids))
        _check_codes("creators", self.creators, len(self.creator_ids))
        if not len(self.users) == len(self.creators) == len(self.counts):
            raise ValueError(f"{len(self.users)} users, {len(self.creators)} creators and {len(self.counts)} counts: they must be as many")
        if self.times_s is not None and len(self.times_s) != len(self.users):
            raise ValueError(f"{len(self.times_s)} times for {len(self.users)} listens: they must be as many")
        if self.plays is not None:
            _check_codes("plays.pairs", self.plays.pairs, len(self.users))

    def __len__(self) -> int:
        return len(self.users)

    def where(self, keep: BoolArray) -> Listens:
        """The listens with keep [n] True, in the same order; the codes and the ids stay as they are."""
        times_s = None if self.times_s is None else self.times_s[keep]
        plays = None if self.plays is None else self.plays.where_pairs(keep)
        return replace(self, users=self.users[keep], creators=self.creators[keep], counts=self.counts[keep], times_s=times_s, plays=plays)


@dataclass(frozen=True)
class SideTables:
    """What is known beside listens; codes are those of the Listens that it belongs to.

    names: one per creator, "" where there is none. create_times_s: int64 [creators], UTC seconds or NO_TIME, or None. markets: per creator the
    markets it is available in, None for everywhere; the whole None where nobody says. tag_names: the distinct tags. tag_users, tag_creators, tags:
    int64 [t], one assignment each: who (NO_USER: the catalogue itself) gave whom which place in tag_names. tag_times_s: int64 [t] or None.
    friends: int64 [f, 2] pairs of users, each pair in both directions or one, as the source has it. followed: int64 [g, 2], (user, creator).
    creator_features, user_features: columns of all creators and of all users; none of them may be made of listens that are to be held out.
    """

    names: tuple[str, ...]
    tag_names: tuple[str, ...]
    tag_users: RowArray
    tag_creators: RowArray
    tags: RowArray
    friends: RowArray
    tag_times_s: RowArray | None = None
    create_times_s: RowArray | None = None
    markets: tuple[tuple[str, ...] | None, ...] | None = None
    followed: RowArray = field(default_factory=lambda: np.empty((0, 2), np.int64))
    creator_features: Features = field(default_factory=dict)
    user_features: Features = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.tag_users) == len(self.tag_creators) == len(self.tags):
            raise ValueError(f"{len(self.tag_users)} users, {len(self.tag_creators)} creators and {len(self.tags)} tags: they must be as many")
        _check_codes("tag_creators", self.tag_creators, len(self.names))
        _check_codes("tags", self.tags, len(self.tag_names))
        if self.friends.ndim != 2 or self.friends.shape[1] != 2:
            raise ValueError(f"friends has the shape {self.friends.shape}; it must be [f, 2]")

    def where_tags(self, keep: BoolArray) -> SideTables:
        """The same with only those tag assignments whose keep [t] is True."""
        times_s = None if self.tag_times_s is None else self.tag_times_s[keep]
        return replace(self, tag_users=self.tag_users[keep], tag_creators=self.tag_creators[keep], tags=self.tags[keep], tag_times_s=times_s)


def no_side_tables(creator_count: int) -> SideTables:
    """Side tables in which nothing is known about anybody."""
    none = np.empty(0, np.int64)
    return SideTables(names=("",) * creator_count, tag_names=(), tag_users=none, tag_creators=none, tags=none, friends=np.empty((0, 2), np.int64))


def _check_codes(name: str, codes: RowArray, count: int) -> None:
    if len(codes) and not (int(codes.min()) >= 0 and int(codes.max()) < count):
        raise ValueError(f"{name} goes from {codes.min()} to {codes.max()}; codes must lie between 0 and {count - 1}")
