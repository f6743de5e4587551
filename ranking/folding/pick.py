"""Operators that pick elements along an axis: a part of a block is a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.layout import shaped
from ranking.folding.size import ONE, Shape, Size, padded
from ranking.folding.step import Step
from ranking.folding.value import Block, Value, cut


def slice_of(step: Step) -> tuple[Value, ...] | None:
    """Slice with known ends, one axis after the other."""
    value, ends = step.inputs[0], [step.array(place) for place in (1, 2)]
    if not isinstance(value, Value) or any(end is None for end in ends):
        return None
    starts, stops = (end.reshape(-1).tolist() for end in ends if end is not None)
    axes, steps = step.array(3), step.array(4)
    places = range(len(starts)) if axes is None else axes.reshape(-1).tolist()
    strides = [1] * len(starts) if steps is None else steps.reshape(-1).tolist()
    axes_from_front = [place % len(value.shape) for place in places]
    for axis, start, stop, stride in zip(axes_from_front, starts, stops, strides, strict=True):
        if value.shape[axis].varies:
            if (start, stride) != (0, 1) or stop < 2**31 - 1:
                return None  # picks candidates
            continue
        picked = _picked(step.graph, value, axis, np.arange(value.shape[axis].fixed)[start:stop:stride])
        if picked is None:
            return None
        value = picked
    return (value,)


def split(step: Step) -> tuple[Value, ...] | None:
    """Every part picks its own elements."""
    value = step.inputs[0]
    axis = int(step.attributes.get("axis", 0))
    if not isinstance(value, Value) or value.shape[axis % len(value.shape)].varies or any(one is None for one in step.outputs):
        return None
    axis %= len(value.shape)
    parts, start = [], 0
    for one in step.outputs:
        assert one is not None
        width = one.shape[axis].fixed
        picked = _picked(step.graph, value, axis, np.arange(start, start + width))
        if picked is None:
            return None
        parts.append(picked)
        start += width
    return tuple(parts)


def gather(step: Step) -> tuple[Value, ...] | None:
    """A look-up in a constant table keeps the colour of the ids; known places along an axis are picked."""
    data, ids, places = step.inputs[0], step.inputs[1], step.array(1)
    axis = int(step.attributes.get("axis", 0))
    if isinstance(data, Value) and places is not None and places.ndim <= 1:
        return _at_known_places(step, data, axis % len(data.shape), places)
    if isinstance(ids, Value) and isinstance(data, Value) and data.tensor is not None and data.colour is Colour.CONSTANT and axis == 0:
        return (_looked_up(step, data.tensor, data.shape, ids),)
    return None


def _at_known_places(step: Step, data: Value, axis: int, places: AnyArray) -> tuple[Value, ...] | None:
    if data.shape[axis].varies:
        return None
    picked = _picked(step.graph, data, axis, np.arange(data.shape[axis].fixed)[places.reshape(-1)])
    if picked is None or places.ndim:
        return None if picked is None else (picked,)
    terms = [_without_axis(step.graph, term, axis, len(data.shape)) for term in picked.blocks[0].terms]
    return (Value.summed(tuple(terms), step.shape),)


def _without_axis(graph: Graph, term: Tensor, axis: int, rank: int) -> Tensor:
    held = padded(term.shape, rank)
    return shaped(graph, term, (*held[:axis], *held[axis + 1 :]))


def _looked_up(step: Step, table: Tensor, shape: Shape, ids: Value) -> Value:
    blocks = []
    for block in ids.blocks:
        (term,) = block.terms
        blocks.append(Block(block.width, (step.graph.apply("Gather", [table, term], (*term.shape, *shape[1:]), table.dtype, axis=0),)))
    if ids.blocked:
        return Value(step.shape, step.dtype, ids.axis, tuple(blocks))
    return Value.summed(blocks[0].terms, step.shape)


def _picked(graph: Graph, value: Value, axis: int, places: AnyArray) -> Value | None:
    """value[.., places, ..]: places in any order, all of them known."""
    if not len(places):
        return None
    shape = (*value.shape[:axis], Size(0, len(places)), *value.shape[axis + 1 :])
    if value.blocked and value.axis != axis:
        blocks = [Block(b.width, tuple(_taken(graph, t, axis, places, len(shape)) for t in b.terms)) for b in value.blocks]
        return Value(shape, value.dtype, value.axis, tuple(blocks))
    if not value.blocked:
        return Value.summed(tuple(_taken(graph, t, axis, places, len(shape)) for t in value.blocks[0].terms), shape)
    blocks = []
    for number, local in _runs(value, places):
        terms = tuple(_taken(graph, t, axis, local, len(shape)) for t in value.blocks[number].terms)
        blocks.append(Block(len(local), terms))
    return Value.summed(blocks[0].terms, shape) if len(blocks) == 1 else Value(shape, value.dtype, axis, tuple(blocks))


def _runs(value: Value, places: AnyArray) -> Iterator[tuple[int, AnyArray]]:
    """(block, places within it) for neighbouring places of one block."""
    offsets = np.array(value.offsets)
    owners = np.searchsorted(offsets, places, side="right") - 1
    for owner, group in groupby(zip(owners.tolist(), places.tolist(), strict=True), key=lambda pair: pair[0]):
        yield owner, np.array([place for _, place in group], np.int64) - offsets[owner]


def _taken(graph: Graph, term: Tensor, axis: int, places: AnyArray, rank: int) -> Tensor:
    own = axis - (rank - len(term.shape))
    if own < 0 or (term.shape[own] == ONE and len(places) == 1):
        return term
    if term.shape[own] == ONE:  # repeated along the axis, or picked several times from a single element: it goes on repeating itself
        return term
    if _follow(places):
        return cut(graph, term, axis, int(places[0]), int(places[-1]) + 1, rank)
    if term.array is not None:
        return graph.constant(term.array.take(places, axis=own))
    shape = (*term.shape[:own], Size(0, len(places)), *term.shape[own + 1 :])
    return graph.apply("Gather", [term, graph.constant(places.astype(np.int64))], shape, axis=own)


def _follow(places: Sequence[int] | AnyArray) -> bool:
    return bool((np.diff(places) == 1).all())
