"""What a caller asks, after the edge has checked and decoded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.columns import Features

SentValue = float | int | str | FloatArray | RowArray | tuple[str, ...]
"""A feature as it was sent: number, integer, text, numbers, integers, texts. Not yet held against a column."""

MAX_PAGE_SIZE = 500
MAX_CANDIDATE_COUNT = 5000
MAX_LISTED_IDS = 10_000
DEFAULT_PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class CandidateFilter:
    """What must not be shown. Empty restricts nothing, but followed creators are left out unless `include_followed`."""

    market: str = ""
    excluded_ids: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    include_followed: bool = False
    seen_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """One question. `request_id` is never empty, `page_size` is resolved (at least 1).

    embeddings: space id ("" for the bundle's) -> float32 [D].
    """

    request_id: str
    user_id: str = ""
    embeddings: Mapping[str, FloatArray] = field(default_factory=dict)
    user_features: Mapping[str, SentValue] = field(default_factory=dict)
    context_features: Mapping[str, SentValue] = field(default_factory=dict)
    page_size: int = DEFAULT_PAGE_SIZE
    candidate_count: int = 0  # 0: the larger of the bundle's default and page_size
    filter: CandidateFilter = CandidateFilter()
    exact: bool = False
    surface: str = ""
    as_of_time_s: int = 0
    batch_priority: bool = False
    bundle_version: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, looked up. embedding: float32 [D] as given, finite, not all zero. followed: int64 rows. features: stored and sent, sent ones win."""

    user_id: str
    embedding: FloatArray
    features: Features
    context: Features
    followed: RowArray = field(default_factory=lambda: np.empty(0, np.int64))
