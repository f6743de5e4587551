"""Assembles the inputs of an exported ranker in NumPy, as a plain server does: it shares nothing with `ranking`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from bench.question import CANDIDATE_COUNT
from bench.rankers.columns import HISTORY, width_of
from bench.rankers.shape import Input
from domain.arrays import AnyArray, FloatArray, RowArray
from domain.columns import Creators, Users

Context = Mapping[str, AnyArray]
"""What was sent with the request, by full column name: scalars or vectors. What was not sent is 0, as the bindings of the benchmarks say."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. user_row: of the bundle's users. rows int64 [n] and similarities float32 [n] of the candidates, n at most CANDIDATE_COUNT."""

    user_row: int
    rows: RowArray
    similarities: FloatArray
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring columns of one side. values: of creators [N, w] or users [U, w], C-contiguous, in the input's type; empty for what comes with the
    request."""

    side: str
    columns: tuple[str, ...]
    values: AnyArray

    @property
    def width(self) -> int:
        """Elements that it adds to a row."""
        return sum(width_of(column) for column in self.columns)


@dataclass(frozen=True, slots=True)
class Layout:
    """One input and what it is made of. Read-only: to be shared between threads."""

    input: Input
    blocks: tuple[Block, ...]
    creators: Creators
    users: Users


def lay_out(inputs: Sequence[Input], creators: Creators, users: Users) -> tuple[Layout, ...]:
    """The layouts of a model's inputs; what they read of creators and users is copied into matrices."""
    return tuple(Layout(one, () if one.length else _blocks(one, creators, users), creators, users) for one in inputs)


def _blocks(one: Input, creators: Creators, users: Users) -> tuple[Block, ...]:
    tables: dict[str, Creators | Users] = {"creator": creators, "user": users}
    found = []
    for side, columns in groupby(one.columns, lambda column: column.partition(".")[0]):
        names = tuple(columns)
        values = _matrix(tables[side], names, one.dtype) if side in tables else np.empty(0, one.dtype)
        found.append(Block(side, names, values))
    return tuple(found)


def _matrix(table: Creators | Users, columns: Sequence[str], dtype: str) -> AnyArray:
    """Columns side by side, one row per creator or user."""
    matrix = np.empty((len(table), sum(width_of(column) for column in columns)), dtype)
    place = 0
    for column in columns:
        name = column.partition(".")[2]
        values = table.embeddings if name == "embedding" else table.columns[name].values
        matrix[:, place : place + width_of(column)] = np.asarray(values).reshape(len(table), -1)
        place += width_of(column)
    return matrix


class Assembler:
    """Makes the feeds of one request at a time in buffers that are kept: one per thread."""

    def __init__(self, layouts: Sequence[Layout]) -> None:
        self._writers = {layout.input.name: _writer(layout) for layout in layouts}

    def feeds(self, ask: Ask) -> dict[str, AnyArray]:
        """What the model takes, by input. Valid until the next call."""
        return {name: write(ask) for name, write in self._writers.items()}


def _writer(layout: Layout) -> Callable[[Ask], AnyArray]:
    if layout.input.length:
        return lambda ask: heard(layout, ask.user_row)
    return _RowWriter(layout)


class _RowWriter:
    """Writes one input that has a row per candidate."""

    def __init__(self, layout: Layout) -> None:
        one, stops = layout.input, np.cumsum([block.width for block in layout.blocks]).tolist()
        self._flat = one.flat
        self._buffer = np.zeros((CANDIDATE_COUNT, one.width), one.dtype)
        self._parts = [_Part(block, stop - block.width, stop, one) for block, stop in zip(layout.blocks, stops, strict=True)]

    def __call__(self, ask: Ask) -> AnyArray:
        buffer = self._buffer[: len(ask.rows)]
        for part in self._parts:
            part.write(buffer, ask)
        return buffer[:, 0] if self._flat else buffer


class _Part:
    """Writes one block into the columns of its input."""

    def __init__(self, block: Block, start: int, stop: int, one: Input) -> None:
        self._block, self._start, self._stop = block, start, stop
        self._fills_input = stop - start == one.width
        self._gathered = np.empty((CANDIDATE_COUNT, stop - start), one.dtype)

    def write(self, buffer: AnyArray, ask: Ask) -> None:
        """buffer: [n, width of the input]."""
        block, target = self._block, buffer[:, self._start : self._stop]
        if block.side == "creator":
            # Into a contiguous buffer first, and "clip" since "raise" buffers: 24 us, where `target[:] = values[rows]` takes 39.
            gathered = target if self._fills_input else self._gathered[: len(buffer)]
            np.take(block.values, ask.rows, axis=0, out=gathered, mode="clip")
            if not self._fills_input:
                target[:] = gathered
        elif block.side == "user":
            target[:] = block.values[ask.user_row]
        elif block.side == "retrieval":
            target[:, 0] = ask.similarities
        else:
            target[:] = sent(block, ask.context)


def sent(block: Block, context: Context) -> AnyArray:
    """What the request brought for a block of context columns, [w]."""
    return np.concatenate([np.broadcast_to(context.get(column, np.float32(0.0)), width_of(column)) for column in block.columns])


def heard(layout: Layout, user_row: int) -> AnyArray:
    """The newest entries of the user's history, padded with zeros: the vectors of the creators [1, length, D], or the mask [1, length]."""
    column = layout.users.columns[HISTORY.partition(".")[2]]
    history = column.at(user_row)
    assert isinstance(history, np.ndarray), "the benchmark's users have histories without nulls"
    one, newest = layout.input, history[-layout.input.length :]
    padded = np.zeros([int(length) for length in one.shape], one.dtype)
    padded[0, : len(newest)] = 1.0 if one.columns[0].endswith(".mask") else layout.creators.embeddings[newest]
    return padded
