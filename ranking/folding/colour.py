"""What a value depends on."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Colour(IntEnum):
    """CONSTANT: nothing. REQUEST: the user and the context, the same for all candidates. CREATOR: one creator alone, the same for all requests.
    MIXED: both, or what the first stage found."""

    CONSTANT = 0
    REQUEST = 1
    CREATOR = 2
    MIXED = 3


def join(colours: Iterable[Colour]) -> Colour:
    """The colour of what is computed from values of these colours."""
    found = set(colours) - {Colour.CONSTANT}
    if not found:
        return Colour.CONSTANT
    return found.pop() if len(found) == 1 else Colour.MIXED
