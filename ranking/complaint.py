"""What a library said, short enough for a refusal."""

from __future__ import annotations

LIMIT = 300  # characters: the runtime's texts go on with stack traces


def first_line(problem: Exception) -> str:
    """The first line of an exception's text, or its type when it has none."""
    lines = str(problem).strip().splitlines()
    return lines[0][:LIMIT] if lines else type(problem).__name__
