"""Sums along an axis: across blocks they become terms, and a sum of products with the request's values becomes a matrix product."""

from __future__ import annotations

from math import prod

import numpy as np

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.layout import permuted, shaped
from ranking.folding.size import ONE, Shape, Size, padded
from ranking.folding.step import Step
from ranking.folding.value import Block, Terms, Value, merge, total


def reduced(step: Step) -> tuple[Value, ...] | None:
    """ReduceSum and ReduceMean along known axes that are not the candidates'."""
    value, axes = step.inputs[0], _axes(step)
    if not isinstance(value, Value) or axes is None or not value.dtype.startswith("float") or any(value.shape[axis].varies for axis in axes):
        return None
    if not value.blocked and len(value.blocks[0].terms) > 1 and not step.splits:
        return None
    lengths = [value.shape[axis].fixed for axis in axes]
    factor = 1.0 / prod(lengths) if step.operator == "ReduceMean" else 1.0
    keeps = bool(step.attributes.get("keepdims", 1))
    if value.blocked and value.axis not in axes:
        terms = [tuple(_sum(step, term, value.shape, axes, keeps, factor) for term in block.terms) for block in value.blocks]
        axis = value.axis if keeps else value.axis - sum(one < value.axis for one in axes)
        return (Value(step.shape, value.dtype, axis, tuple(Block(b.width, t) for b, t in zip(value.blocks, terms, strict=True))),)
    if value.blocked and not step.splits:
        return None
    return (Value.summed(_across(step, value, axes, keeps, factor), step.shape),)


def _across(step: Step, value: Value, axes: tuple[int, ...], keeps: bool, factor: float) -> Terms:
    """The sums of all blocks, added up colour by colour."""
    if value.blocked or len(value.blocks[0].terms) > 1:
        step.graph.reordered = True
    sums = []
    for block in value.blocks:
        shape = value.shape
        if value.blocked:
            shape = (*shape[: value.axis], Size(0, block.width), *shape[value.axis + 1 :])
        mixed = any(term.colour is Colour.MIXED for term in block.terms)
        terms = (total(step.graph, block.terms),) if mixed else block.terms
        sums += [_sum(step, term, shape, axes, keeps, factor) for term in terms]
    return merge(step.graph, sums)


def _axes(step: Step) -> tuple[int, ...] | None:
    value = step.inputs[0]
    assert isinstance(value, Value)
    rank = len(value.shape)
    given = step.attributes.get("axes")
    known = step.array(1) if given is None and len(step.inputs) > 1 and step.inputs[1] is not None else None
    if given is None and known is None:
        return None if len(step.inputs) > 1 and step.inputs[1] is not None else tuple(range(rank))
    listed = given if known is None else known.reshape(-1).tolist()
    return tuple(sorted(int(axis) % rank for axis in listed or ()))


def _sum(step: Step, term: Tensor, shape: Shape, axes: tuple[int, ...], keeps: bool, factor: float) -> Tensor:
    """The sum of one term, times factor."""
    graph, rank = step.graph, len(shape)
    held = padded(term.shape, rank)
    term = shaped(graph, term, held)
    repeats = prod(shape[axis].fixed for axis in axes if held[axis] == ONE)  # what is repeated along an axis is summed by multiplying
    own = [axis for axis in axes if held[axis] != ONE]
    kept = tuple(ONE if axis in axes else size for axis, size in enumerate(held))
    made = term if not own else (contracted(graph, term, own[0]) if len(own) == 1 and step.splits else None)
    if made is None:
        made = _plain_sum(graph, term, own, kept)
    scale = factor * repeats
    if scale != 1.0:
        made = _times(graph, made, np.array(scale, term.dtype))
    final = kept if keeps else tuple(size for axis, size in enumerate(kept) if axis not in axes)
    return shaped(graph, made, final)


def _plain_sum(graph: Graph, term: Tensor, axes: list[int], shape: Shape) -> Tensor:
    if term.array is not None:
        return graph.constant(term.array.sum(axis=tuple(axes), keepdims=True, dtype=term.array.dtype))
    return graph.reduce_sum(term, axes, shape)


def _times(graph: Graph, tensor: Tensor, factor: AnyArray) -> Tensor:
    if tensor.array is not None:
        return graph.constant(tensor.array * factor)
    return graph.apply("Mul", [tensor, graph.constant(factor)], tensor.shape)


def contracted(graph: Graph, term: Tensor, axis: int) -> Tensor | None:
    """The sum along `axis` of a product of the candidates' and the request's values, as one matrix product; None where it is none.

    With axis 1 or 2 of [n, a, b]: the axis is both sides', every other axis but the candidates' is one side's alone.
    """
    if term.node.operator != "Mul" or term.colour is not Colour.MIXED or not 2 <= len(term.shape) <= 3:
        return None
    rank = len(term.shape)
    sides = {side.colour is Colour.REQUEST: side for side in term.node.inputs if side is not None}
    if len(sides) < 2:
        return None
    rows, row = sides[False], sides[True]
    of_rows, of_row = padded(rows.shape, rank), padded(row.shape, rank)
    others = [place for place in range(1, rank) if place != axis]
    if not of_rows[0].varies or of_row[0] != ONE or ONE in (of_rows[axis], of_row[axis]):
        return None
    if any(of_rows[place] != ONE and of_row[place] != ONE for place in others):
        return None
    length = of_rows[axis]
    # [n, left, length] x [length, right]: at most one of left and right is longer than 1
    left = prod(of_rows[place].fixed for place in others)
    right = prod(of_row[place].fixed for place in others)
    order = [0, *others, axis]
    first = shaped(graph, permuted(graph, shaped(graph, rows, of_rows), order), (Size(left, 0), length))
    second = shaped(graph, permuted(graph, shaped(graph, row, of_row), [0, axis, *others]), (length, Size(0, right)))
    graph.reordered = True
    product = graph.apply("MatMul", [first, second], (Size(left, 0), Size(0, right)))
    return shaped(graph, product, tuple(ONE if place == axis else size for place, size in enumerate(term.shape)))
