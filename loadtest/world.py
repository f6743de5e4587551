"""Whom the load asks for: what one outside the server has to know of its world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class World:
    """The listed users of a bundle, and values that its filters and its ranker know. Empty `markets`, `tiers`, `activities`: none are sent."""

    user_ids: tuple[str, ...]
    markets: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()  # of the context feature "activity"; the feature "hour" is sent with it


# What `make serve` serves. Every market and tier of it holds hundreds of creators, so that a page is always full.
DEMO = World(
    user_ids=tuple(f"listener-{number:04d}" for number in range(1, 1501)),
    markets=("BR", "DE", "FR", "GB", "IN", "JP", "KR", "MX", "NG", "PL", "SE", "US"),
    tiers=("emerging", "established", "rising"),
    activities=("commute", "focus", "party", "unwind", "workout"),
)


def world_of(users_file: Path) -> World:
    """Another bundle's world: the users of a text file, one id per line; nothing else is known of it, so no market, tier or context is sent.

    Raises OSError when the file cannot be read, ValueError when it holds no id.
    """
    user_ids = tuple(line.strip() for line in users_file.read_text(encoding="utf-8").splitlines() if line.strip())
    if not user_ids:
        raise ValueError(f"{users_file} holds no user id; write one per line")
    return World(user_ids)
