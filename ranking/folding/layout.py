"""Operators that only move values: blocks stay blocks wherever the new layout lets them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.size import ONE, Shape, Size, padded
from ranking.folding.step import Step
from ranking.folding.value import Block, Value, at_colour, expanded, joined


def reshape(step: Step) -> tuple[Value, ...] | None:
    """Reshape, Flatten, Squeeze, Unsqueeze: what the shapes are is known, so one operator does them all."""
    value = step.inputs[0]
    if not isinstance(value, Value):
        return None
    places = _moved_axes(value.shape, step.shape)
    if places is not None:
        return (_with_moved_axes(step.graph, value, step.shape, places),)
    if value.blocked:
        regrouped = _regrouped(step, value)
        if regrouped is not None:
            return (regrouped,)
        value = Value.of(joined(step.graph, value), value.shape)
    terms = tuple(_reshaped(step.graph, term, value.shape, step.shape) for term in value.blocks[0].terms)
    return None if any(term is None for term in terms) else (Value.summed(tuple(t for t in terms if t is not None), step.shape),)


def _moved_axes(old: Shape, new: Shape) -> list[int] | None:
    """For every axis of `new` the axis of `old` that it is, -1 for an added one; None unless only axes of length 1 come and go."""
    if [size for size in old if size != ONE] != [size for size in new if size != ONE]:
        return None
    wide = iter([axis for axis, size in enumerate(old) if size != ONE])
    return [-1 if size == ONE else next(wide) for size in new]


def _with_moved_axes(graph: Graph, value: Value, shape: Shape, places: list[int]) -> Value:
    blocks = [Block(block.width, tuple(_relaid(graph, term, len(value.shape), places) for term in block.terms)) for block in value.blocks]
    axis = places.index(value.axis) if value.blocked else max(len(shape) - 1, 0)
    if not value.blocked:
        return Value.summed(blocks[0].terms, shape)
    return Value(shape, value.dtype, axis, tuple(blocks))


def _relaid(graph: Graph, term: Tensor, rank: int, places: list[int]) -> Tensor:
    held = padded(term.shape, rank)
    return shaped(graph, term, tuple(ONE if place < 0 else held[place] for place in places))


def shaped(graph: Graph, tensor: Tensor, shape: Shape) -> Tensor:
    """The same elements in another shape, in which one axis may vary."""
    if tensor.shape == shape:
        return tensor
    if tensor.array is not None:
        return graph.constant(tensor.array.reshape([size.fixed for size in shape]))
    before = tensor.node.inputs[0] if tensor.node.operator == "Reshape" else None
    if before is not None and sum(size.varies for size in before.shape) <= 1:
        return shaped(graph, before, shape)
    lengths = [-1 if size.varies else size.fixed for size in shape]
    return graph.apply("Reshape", [tensor, graph.constant(np.array(lengths, np.int64))], shape)


def _regrouped(step: Step, value: Value) -> Value | None:
    """[.., B, d] to [.., B d] or back, where the axis of blocks is the one that takes or gives."""
    axis, old, new = value.axis, value.shape, step.shape
    if old[:axis] != new[:axis] or len(new) <= axis:
        return None
    inner_old, inner_new = prod(size.fixed for size in old[axis + 1 :]), prod(size.fixed for size in new[axis + 1 :])
    widths = [block.width * inner_old for block in value.blocks]
    if not inner_new or any(width % inner_new for width in widths):
        return None
    blocks = []
    for block, width in zip(value.blocks, widths, strict=True):
        own, wanted = (*old[:axis], Size(0, block.width), *old[axis + 1 :]), (*new[:axis], Size(0, width // inner_new), *new[axis + 1 :])
        terms = [_reshaped_tail(step.graph, term, own, wanted, axis) for term in block.terms]
        blocks.append(Block(width // inner_new, tuple(terms)))
    return Value(new, value.dtype, axis, tuple(blocks))


def _reshaped_tail(graph: Graph, term: Tensor, own: Shape, wanted: Shape, axis: int) -> Tensor:
    """A block in its new shape; what stands before `axis` stays as it is held."""
    held = padded(term.shape, len(own))
    full = expanded(graph, term, (*held[:axis], *own[axis:]), term.colour)
    return shaped(graph, full, (*held[:axis], *wanted[axis:]))


def _reshaped(graph: Graph, term: Tensor, old: Shape, new: Shape) -> Tensor | None:
    """Any other reshape: in full, as its colour has it. None where more than one axis would be open."""
    colour = term.colour if term.colour is not Colour.CONSTANT else Colour.REQUEST
    target = at_colour(new, colour)
    if sum(size.varies for size in target) > 1:
        return None
    return shaped(graph, expanded(graph, term, old, colour), target)


def transpose(step: Step) -> tuple[Value, ...] | None:
    """Blocks along an axis are blocks along the axis that it becomes."""
    value = step.inputs[0]
    if not isinstance(value, Value):
        return None
    rank = len(value.shape)
    order = list(step.attributes.get("perm", range(rank)[::-1]))
    blocks = [Block(block.width, tuple(permuted(step.graph, term, order) for term in block.terms)) for block in value.blocks]
    if not value.blocked:
        return (Value.summed(blocks[0].terms, step.shape),)
    return (Value(step.shape, value.dtype, order.index(value.axis), tuple(blocks)),)


def permuted(graph: Graph, term: Tensor, order: Sequence[int]) -> Tensor:
    """The tensor with its axes in another order."""
    held = padded(term.shape, len(order))
    term = shaped(graph, term, held)
    shape = tuple(held[place] for place in order)
    if term.array is not None:
        return graph.constant(term.array.transpose(order))
    wide = [place for place in order if held[place] != ONE]
    if wide == sorted(wide):
        return shaped(graph, term, shape)
    return graph.apply("Transpose", [term], shape, perm=list(order))


def expand(step: Step) -> tuple[Value, ...] | None:
    """Expand, and Tile where it does the same: nothing is repeated before somebody needs it."""
    value = step.inputs[0]
    if not isinstance(value, Value):
        return None
    old = padded(value.shape, len(step.shape))
    if any(size not in (ONE, wanted) for size, wanted in zip(old, step.shape, strict=True)):
        return None
    blocks = tuple(Block(block.width, tuple(shaped(step.graph, t, padded(t.shape, len(step.shape))) for t in block.terms)) for block in value.blocks)
    if not value.blocked:
        return (Value.summed(blocks[0].terms, step.shape),)
    return (Value(step.shape, value.dtype, value.axis + len(step.shape) - len(value.shape), blocks),)


def concat(step: Step) -> tuple[Value, ...] | None:
    """Side by side along an axis that is not the candidates'."""
    values = step.values
    axis = int(step.attributes["axis"]) % max(len(step.shape), 1)
    if not values or step.shape[axis].varies or any(value.shape[axis].fixed == 0 for value in values):
        return None
    blocks: list[Block] = []
    for value in values:
        if value.blocked and value.axis == axis:
            blocks += value.blocks
        else:
            terms = (joined(step.graph, value),) if value.blocked else value.blocks[0].terms
            blocks.append(Block(value.shape[axis].fixed, terms))
    if len(blocks) == 1:
        return (Value.summed(blocks[0].terms, step.shape),)
    return (Value(step.shape, step.dtype, axis, tuple(blocks)),)
