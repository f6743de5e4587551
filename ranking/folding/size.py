"""Lengths of axes, as functions of the number of candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple


class Size(NamedTuple):
    """per_row * n + fixed, for n candidates."""

    per_row: int
    fixed: int

    def at(self, count: int) -> int:
        """The length for `count` candidates."""
        return self.per_row * count + self.fixed

    @property
    def varies(self) -> bool:
        """Whether it depends on the number of candidates."""
        return self.per_row != 0


Shape = tuple[Size, ...]
ONE = Size(0, 1)
ROWS = Size(1, 0)


def fixed(*lengths: int) -> Shape:
    """A shape that does not depend on the number of candidates."""
    return tuple(Size(0, length) for length in lengths)


def at(shape: Shape, count: int) -> tuple[int, ...]:
    """The lengths for `count` candidates."""
    return tuple(size.at(count) for size in shape)


def volume(shape: Shape, count: int) -> int:
    """The elements for `count` candidates."""
    return math.prod(at(shape, count))


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape of an elementwise result. Raises ValueError when they do not fit."""
    sizes = []
    for own in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=ONE):
        wide = {size for size in own if size != ONE}
        if len(wide) > 1:
            raise ValueError(f"shapes {shapes} do not broadcast")
        sizes.append(wide.pop() if wide else ONE)
    return tuple(reversed(sizes))


def padded(shape: Shape, rank: int) -> Shape:
    """The same with as many axes, by leading ones."""
    return (ONE,) * (rank - len(shape)) + shape
