"""Who lives in the demo world: creators and listeners with tastes that nobody gets to see.

A creator has a place in a latent taste space (near the centre of its genre, leaning towards a second one), an energy, and a quality. A listener has
favourite genres, and a taste that drifts from one place to another while the story runs. What the tables show of all that is indirect:
followers, completion rates, genre mixes, and who listened to whom (demo/listens.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.names import COUNTRIES, name_creators, slug
from domain.arrays import AnyArray

GENRES = (
    "ambient",
    "afrobeat",
    "classical",
    "comedy",
    "electronic",
    "folk",
    "hip-hop",
    "indie",
    "jazz",
    "k-pop",
    "latin",
    "metal",
    "pop",
    "soul",
    "stories",
)
GENRE_ENERGY = np.array([0.1, 0.75, 0.25, 0.45, 0.8, 0.3, 0.7, 0.5, 0.4, 0.8, 0.7, 0.95, 0.65, 0.45, 0.2])
TIERS = ("emerging", "rising", "established")
LABELS = ("acoustic", "explicit", "instrumental", "live", "vinyl")
TASTE_DIMENSIONS = 16
END_OF_STORY_S = 1_767_225_600  # 2026-01-01T00:00:00Z: a fixed "now", so that the files do not depend on the day they were made
_DAY_S = 86_400
_COUNTRY_WEIGHTS = np.array([0.11, 0.09, 0.08, 0.13, 0.09, 0.08, 0.06, 0.07, 0.07, 0.05, 0.06, 0.11])  # in the order of COUNTRIES
_KINDS = ("person", "band", "alias", "show")
_SPOKEN, _MADE_BY_MACHINES = ("comedy", "stories"), ("ambient", "electronic", "hip-hop")


@dataclass(frozen=True, slots=True)
class WorldCreators:
    """N creators, aligned. taste [N, 16], energy [N] in 0..1 and quality [N] are hidden: no table carries taste or quality.

    genre, country, tier: codes into GENRES, COUNTRIES, TIERS. genre_mix [N, 15] sums to 1. available bool [N, 12]: where; everywhere bool [N].
    """

    ids: list[str]
    names: list[str]
    genre: AnyArray
    genre_mix: AnyArray
    country: AnyArray
    tier: AnyArray
    energy: AnyArray
    quality: AnyArray
    taste: AnyArray
    followers: AnyArray
    release_count: AnyArray
    verified: AnyArray
    create_time_s: AnyArray
    available: AnyArray
    everywhere: AnyArray
    labels: list[list[str]]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class WorldListeners:
    """U listeners, aligned. The taste runs from taste_start to taste_end [U, 16], both hidden. newcomer bool [U]: never listened so far."""

    ids: list[str]
    country: AnyArray
    favourite_genre: AnyArray
    taste_start: AnyArray
    taste_end: AnyArray
    age_days: AnyArray
    newcomer: AnyArray

    def __len__(self) -> int:
        return len(self.ids)

    def taste(self, moment: float) -> AnyArray:
        """Tastes [U, 16] of length 1 at a moment of the story, 0 (start) to 1 (end)."""
        return _normalised((1.0 - moment) * self.taste_start + moment * self.taste_end)


@dataclass(frozen=True, slots=True)
class World:
    """Everybody."""

    creators: WorldCreators
    listeners: WorldListeners


def make_world(seed: int, creator_count: int, listener_count: int) -> World:
    """The whole world from one seed."""
    rng = np.random.default_rng(seed)
    centres = _normalised(rng.normal(size=(len(GENRES), TASTE_DIMENSIONS)))
    return World(_make_creators(rng, centres, creator_count), _make_listeners(rng, centres, listener_count))


def _make_creators(rng: np.random.Generator, centres: AnyArray, count: int) -> WorldCreators:
    genre, second = _draw_genres(rng, count), _draw_genres(rng, count)
    lean = rng.uniform(0.0, 0.45, count)
    genre_mix = np.zeros((count, len(GENRES)))
    np.add.at(genre_mix, (np.arange(count), genre), 1.0 - lean)
    np.add.at(genre_mix, (np.arange(count), second), lean)
    country = rng.choice(len(COUNTRIES), count, p=_COUNTRY_WEIGHTS)
    tier = rng.choice(len(TIERS), count, p=[0.3, 0.4, 0.3])
    quality = rng.normal(size=count)
    age_days = _ages(rng, tier)
    names = name_creators(rng, _kinds(rng, genre), [COUNTRIES[c] for c in country])
    available, everywhere = _availability(rng, country)
    return WorldCreators(
        ids=[slug(name) for name in names],
        names=names,
        genre=genre,
        genre_mix=genre_mix,
        country=country,
        tier=tier,
        energy=np.clip(genre_mix @ GENRE_ENERGY + rng.normal(0.0, 0.15, count), 0.0, 1.0),
        quality=quality,
        taste=_normalised(genre_mix @ centres + rng.normal(0.0, 0.16, (count, TASTE_DIMENSIONS))),
        followers=_followers(rng, tier, quality),
        release_count=1 + rng.poisson(np.minimum(age_days / 120.0, 60.0)),
        verified=rng.random(count) < np.array([0.03, 0.3, 0.9])[tier],
        create_time_s=END_OF_STORY_S - (age_days * _DAY_S).astype(np.int64) - rng.integers(0, _DAY_S, count),
        available=available,
        everywhere=everywhere,
        labels=_labels(rng, count),
    )


def _draw_genres(rng: np.random.Generator, count: int) -> AnyArray:
    weights = np.linspace(1.6, 0.6, len(GENRES))[rng.permutation(len(GENRES))]
    return rng.choice(len(GENRES), count, p=weights / weights.sum())


def _ages(rng: np.random.Generator, tier: AnyArray) -> AnyArray:
    """Days since a creator joined: emerging ones joined within the last half year, established ones at least two years ago."""
    low, high = np.array([1.0, 120.0, 730.0])[tier], np.array([180.0, 1500.0, 5000.0])[tier]
    return rng.uniform(low, high)


def _followers(rng: np.random.Generator, tier: AnyArray, quality: AnyArray) -> AnyArray:
    """Followers say something about quality, and more about how long and how well a creator has been known."""
    middle = np.array([4.5, 8.5, 12.0])[tier]
    return np.exp(middle + 0.7 * quality + rng.normal(0.0, 0.9, len(tier))).astype(np.int64)


def _kinds(rng: np.random.Generator, genre: AnyArray) -> list[str]:
    return [_kind(rng, GENRES[g]) for g in genre]


def _kind(rng: np.random.Generator, genre: str) -> str:
    chances = [0.2, 0.0, 0.0, 0.8] if genre in _SPOKEN else [0.2, 0.2, 0.6, 0.0] if genre in _MADE_BY_MACHINES else [0.45, 0.5, 0.05, 0.0]
    return str(rng.choice(_KINDS, p=chances))


def _availability(rng: np.random.Generator, country: AnyArray) -> tuple[AnyArray, AnyArray]:
    """(available bool [N, markets], everywhere bool [N]): two creators in three are available everywhere, the others at home and in some markets."""
    everywhere = rng.random(len(country)) < 0.67
    available = rng.random((len(country), len(COUNTRIES))) < 0.5
    available[np.arange(len(country)), country] = True
    available[everywhere] = True
    return available, everywhere


def _labels(rng: np.random.Generator, count: int) -> list[list[str]]:
    chosen = rng.random((count, len(LABELS))) < 0.15
    return [[LABELS[i] for i in np.flatnonzero(row)] for row in chosen]


def _make_listeners(rng: np.random.Generator, centres: AnyArray, count: int) -> WorldListeners:
    favourite, next_love = _draw_genres(rng, count), _draw_genres(rng, count)
    start = _tastes(rng, centres, favourite)
    end = _normalised(start + 0.9 * _tastes(rng, centres, next_love))
    return WorldListeners(
        ids=[f"listener-{i:04d}" for i in range(1, count + 1)],
        country=rng.choice(len(COUNTRIES), count, p=_COUNTRY_WEIGHTS),
        favourite_genre=favourite,
        taste_start=start,
        taste_end=end,
        age_days=rng.integers(1, 3000, count),
        newcomer=rng.random(count) < 0.03,
    )


def _tastes(rng: np.random.Generator, centres: AnyArray, genre: AnyArray) -> AnyArray:
    others = centres[rng.integers(0, len(GENRES), (len(genre), 2))].mean(axis=1)
    return _normalised(centres[genre] + 0.7 * others + rng.normal(0.0, 0.1, (len(genre), TASTE_DIMENSIONS)))


def _normalised(vectors: AnyArray) -> AnyArray:
    unit: AnyArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
