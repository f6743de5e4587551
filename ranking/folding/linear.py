"""Products with constant matrices: every block is multiplied with its own rows, and what has one colour is added up."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.size import Shape, Size
from ranking.folding.step import Step, barrier
from ranking.folding.value import Terms, Value, merge, side_by_side, total


def gemm(step: Step) -> tuple[Value | None, ...] | None:
    """alpha A' B' + beta C."""
    settings = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | step.attributes
    x, weight = step.inputs[0], step.array(1)
    if not isinstance(x, Value) or settings["transA"] or weight is None or not step.splits or _one_colour(x):
        return barrier(step)
    bias = step.array(2)
    if bias is None and len(step.inputs) > 2 and step.inputs[2] is not None:
        return barrier(step)
    weight = weight.T if settings["transB"] else weight
    weight = weight if settings["alpha"] == 1 else weight * weight.dtype.type(settings["alpha"])
    bias = bias if bias is None or settings["beta"] == 1 else bias * bias.dtype.type(settings["beta"])
    return (Value.summed(_terms(step.graph, x, weight, bias), step.shape),)


def matmul(step: Step) -> tuple[Value | None, ...] | None:
    """A B with a constant matrix B; None for other products."""
    x, weight = step.inputs[0], step.array(1)
    if not isinstance(x, Value) or weight is None or weight.ndim != 2 or len(x.shape) < 2:
        return None
    if x.blocked and x.axis != len(x.shape) - 1:
        return _along_another_axis(step, x, weight)
    if not step.splits or _one_colour(x):
        return barrier(step)
    return (Value.summed(_terms(step.graph, x, weight, None), step.shape),)


def _along_another_axis(step: Step, x: Value, weight: AnyArray) -> tuple[Value, ...]:
    """The same matrix for every block."""
    graph, matrix = step.graph, step.graph.constant(weight)
    graph.reordered = True  # as many rows at a time as there are, and not all: another kernel
    blocks = []
    for block in x.blocks:
        terms = tuple(_product(graph, term, matrix) for term in block.terms)
        blocks.append(type(block)(block.width, terms))
    return (Value(step.shape, step.dtype, x.axis, tuple(blocks)),)


def _one_colour(x: Value) -> bool:
    """Whether nothing can be taken apart."""
    return len({term.colour for block in x.blocks for term in block.terms} - {Colour.CONSTANT}) <= 1


def _terms(graph: Graph, x: Value, weight: AnyArray, bias: AnyArray | None) -> Terms:
    """x weight + bias, one term for each colour. What is mixed already is finished first: it has to be multiplied for each candidate in any case."""
    graph.reordered = True
    groups: defaultdict[tuple[Colour, Shape], list[tuple[Tensor, int, int]]] = defaultdict(list)
    offsets = x.offsets
    for block, start, stop in zip(x.blocks, offsets, offsets[1:], strict=False):
        mixed = any(term.colour is Colour.MIXED for term in block.terms)
        for term in (total(graph, block.terms),) if mixed else block.terms:
            groups[term.colour, term.shape[:-1]].append((term, start, stop))
    terms = [_group(graph, members, weight, len(x.shape)) for members in groups.values()]
    return merge(graph, [*terms, *([] if bias is None else [graph.constant(bias)])])


def _group(graph: Graph, members: list[tuple[Tensor, int, int]], weight: AnyArray, rank: int) -> Tensor:
    """The blocks of one colour, side by side, times their rows of the matrix."""
    tensors, widths = [tensor for tensor, _, _ in members], [stop - start for _, start, stop in members]
    rows = weight if sum(widths) == len(weight) else np.concatenate([weight[start:stop] for _, start, stop in members])
    return _product(graph, side_by_side(graph, tensors, widths, rank - 1, rank), graph.constant(np.ascontiguousarray(rows)))


def _product(graph: Graph, x: Tensor, matrix: Tensor) -> Tensor:
    assert matrix.array is not None
    if x.array is not None and x.shape[-1].fixed == len(matrix.array):
        return graph.constant(x.array @ matrix.array)
    if x.shape[-1].fixed != len(matrix.array):  # repeated along the axis that is summed: its rows of the matrix may be summed first
        matrix = graph.constant(matrix.array.sum(axis=0, keepdims=True))
    return graph.apply("MatMul", [x, matrix], (*x.shape[:-1], Size(0, matrix.shape[1].fixed)))
