"""Why a model cannot be folded."""

from __future__ import annotations


class NotFoldable(Exception):
    """The model is served whole; the text says what stands in the way."""
