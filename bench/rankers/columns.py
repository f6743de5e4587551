"""The columns that the rankers read, and how wide they are. What a column is shows in its name."""

from __future__ import annotations

from bench.vectors import DIMENSION_COUNT

CREATOR_SCALARS = tuple(f"creator.c{i:02d}" for i in range(32))
USER_SCALARS = tuple(f"user.u{i:02d}" for i in range(16))
CREATOR_CODES = tuple(f"creator.code{i:02d}" for i in range(12))
USER_CODES = tuple(f"user.code{i:02d}" for i in range(8))
CONTEXT_CODES = ("context.code00", "context.code01")
HISTORY = "user.history"
HISTORY_LENGTH = 50  # entries that a ranker takes
CODE_COUNT = 1_000  # values that a column of codes has

WIDTHS = {
    "user.embedding": DIMENSION_COUNT,
    "creator.embedding": DIMENSION_COUNT,
    "user.profile": 256 - DIMENSION_COUNT,
    "creator.profile": 384 - DIMENSION_COUNT,
    "context.situation": 16,
    f"{HISTORY}.creator.embedding": DIMENSION_COUNT,
}
"""Columns that are wider than one number."""


def width_of(column: str) -> int:
    """Elements that a column adds to an input."""
    return WIDTHS.get(column, 1)


def is_code(column: str) -> bool:
    """Whether a column holds integers below CODE_COUNT."""
    return column.partition(".")[2].startswith("code")
