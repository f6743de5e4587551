"""What is asked of every contestant, and the names in the data."""

from __future__ import annotations

PAGE_SIZE = 50
CANDIDATE_COUNT = 500
DEADLINE_S = 5.0  # as any caller sends one; far away, so that nobody saves work by being late

CREATOR_FEATURES = tuple(f"c{i:02d}" for i in range(32))
USER_FEATURES = tuple(f"u{i:02d}" for i in range(16))


def user_id(row: int) -> str:
    """The id of the listed user of that parquet row."""
    return f"u{row:07d}"


def creator_id(row: int) -> str:
    """The id of the creator of that parquet row."""
    return f"c{row:07d}"
