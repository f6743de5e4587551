"""Listening data as training and evaluation share it: who played whom how often, and what else is known. Arrays and ids, nothing fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray

NO_USER = -1  # in SideTables.tag_users: the tag comes from the catalogue, not from a listener


@dataclass(frozen=True)
class Listens:
    """n distinct (user, creator) pairs with how often the user played the creator, in any order.

    user_ids, creator_ids: everybody that is known, with or without listens; a code is a place in them. users, creators: int64 [n] codes.
    counts: float32 [n], above zero. times_s: int64 [n], UTC seconds of the last play, or None where the data has no times.
    """

    user_ids: tuple[str, ...]
    creator_ids: tuple[str, ...]
    users: RowArray
    creators: RowArray
    counts: FloatArray
    times_s: RowArray | None = None

    def __post_init__(self) -> None:
        _check_codes("users", self.users, len(self.user_ids))
        _check_codes("creators", self.creators, len(self.creator_ids))
        if not len(self.users) == len(self.creators) == len(self.counts):
            raise ValueError(f"{len(self.users)} users, {len(self.creators)} creators and {len(self.counts)} counts: they must be as many")
        if self.times_s is not None and len(self.times_s) != len(self.users):
            raise ValueError(f"{len(self.times_s)} times for {len(self.users)} listens: they must be as many")

    def __len__(self) -> int:
        return len(self.users)

    def where(self, keep: BoolArray) -> Listens:
        """The listens with keep [n] True, in the same order; the codes and the ids stay as they are."""
        times_s = None if self.times_s is None else self.times_s[keep]
        return replace(self, users=self.users[keep], creators=self.creators[keep], counts=self.counts[keep], times_s=times_s)


@dataclass(frozen=True)
class SideTables:
    """What is known beside listens; codes are those of the Listens that it belongs to.

    names: one per creator, "" where there is none. create_times_s: int64 [creators], UTC seconds, or None. markets: per creator the markets it is
    available in, None for everywhere; the whole None where nobody says. tag_names: the distinct tags. tag_users, tag_creators, tags: int64 [t],
    one assignment each: who (NO_USER: the catalogue itself) gave whom which place in tag_names. tag_times_s: int64 [t] or None.
    friends: int64 [f, 2] pairs of users, each pair in both directions or one, as the source has it.
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
