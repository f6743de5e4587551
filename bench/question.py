"""What is asked of every contestant, and the names in the data."""

from __future__ import annotations

PAGE_SIZE = 50
CANDIDATE_COUNT = 500
DEADLINE_S = 5.0  # as any caller sends one; far away, so that nobody saves work by being late


def user_id(row: int) -> str:
    """The id of the listed user of that parquet row."""
    return f"u{row:07d}"


def creator_id(row: int) -> str:
    """The id of the creator of that parquet row."""
    return f"c{row:07d}"
