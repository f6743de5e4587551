"""What is held out, by rules that name nothing but ids: whoever has the data makes the same cut again, in any language, in any order.

A listen (user u, creator a) is held out when the first 8 hexadecimal digits of sha256("u:a"), as a number modulo 100, are below 20.
A creator is cold when the same of sha256("cold:a") is below 5: all listens of it are held out, so that it is met without a single one.
A tag that a user gave to a creator is dropped when that user's listen of that creator is held out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from domain.arrays import BoolArray, RowArray
from domain.listens import Listens, SideTables

HELD_OUT_PERCENT = 20
COLD_PERCENT = 5
LEAST_TRAINING_COUNT = 5  # listens that a user must have in training to be evaluated: with fewer there is little to know of them
EMERGING_TIER = "emerging"  # the tier of cold creators


@dataclass(frozen=True, slots=True)
class Cut:
    """One way to split listens. salt goes in front of what is hashed: cuts with different salts are independent of each other."""

    salt: str = ""

    def is_cold(self, creator_id: str) -> bool:
        """Whether every listen of this creator is held out."""
        return _percentile(f"{self.salt}cold:{creator_id}") < COLD_PERCENT

    def is_held_out(self, user_id: str, creator_id: str) -> bool:
        """Whether this user's listen of this creator is kept from training: by its own rule, or because the creator is cold."""
        return _percentile(f"{self.salt}{user_id}:{creator_id}") < HELD_OUT_PERCENT or self.is_cold(creator_id)

    def hold_out(self, listens: Listens) -> tuple[Listens, Listens]:
        """(kept, held out): every listen is in exactly one of them; codes and ids stay as they are, so creators without listens stay known."""
        cold = self.cold_creators(listens)
        users, creators = listens.user_ids, listens.creator_ids
        pairs = zip(listens.users.tolist(), listens.creators.tolist(), strict=True)
        by_rule = (_percentile(f"{self.salt}{users[u]}:{creators[a]}") < HELD_OUT_PERCENT for u, a in pairs)
        held = np.fromiter(by_rule, np.bool_, len(listens)) | cold[listens.creators]
        return listens.where(~held), listens.where(held)

    def cold_creators(self, listens: Listens) -> BoolArray:
        """Per creator code whether it is cold."""
        return np.fromiter((self.is_cold(creator_id) for creator_id in listens.creator_ids), np.bool_, len(listens.creator_ids))


TEST = Cut()
VALIDATION = Cut("validation:")
"""Cuts the training part once more, to choose settings without a look at what is held out for the test."""


def is_cold(creator_id: str) -> bool:
    """Whether the creator is cold under the protocol."""
    return TEST.is_cold(creator_id)


def is_held_out(user_id: str, creator_id: str) -> bool:
    """Whether the listen is held out under the protocol, cold creators included."""
    return TEST.is_held_out(user_id, creator_id)


def hold_out(listens: Listens) -> tuple[Listens, Listens]:
    """(kept, held out) under the protocol. Training sees the first alone."""
    return TEST.hold_out(listens)


def cold_creators(listens: Listens) -> BoolArray:
    """Per creator code whether it is cold under the protocol."""
    return TEST.cold_creators(listens)


def kept_tags(held_out: Listens, side: SideTables) -> BoolArray:
    """Per tag assignment whether training may see it: not when its user's listen of its creator is held out. Tags of the catalogue stay."""
    creator_count = max(1, len(held_out.creator_ids))
    given = side.tag_users * creator_count + side.tag_creators
    dropped = np.isin(given, held_out.users * creator_count + held_out.creators)
    kept: BoolArray = (side.tag_users < 0) | ~dropped
    return kept


def hold_out_tags(held_out: Listens, side: SideTables) -> SideTables:
    """The side tables as training may see them."""
    return side.where_tags(kept_tags(held_out, side))


def evaluated_users(kept: Listens, held_out: Listens) -> RowArray:
    """The codes of users with at least 5 training listens and one that is held out, ascending.

    held_out: the listens that count in the table at hand (of creators that are not cold in the main one, of cold ones in the other).
    """
    user_count = len(kept.user_ids)
    training = np.bincount(kept.users, minlength=user_count)
    wanted = np.bincount(held_out.users, minlength=user_count)
    return np.flatnonzero((training >= LEAST_TRAINING_COUNT) & (wanted > 0))


def _percentile(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 100
