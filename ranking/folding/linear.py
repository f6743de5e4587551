"""Products with constant matrices: every block is multiplied with its own rows, and what has one colour is added up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from domain.arrays import AnyArray
from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.layout import shaped
from ranking.folding.size import ONE, Shape, Size, fixed
from ranking.folding.step import Step, barrier
from ranking.folding.value import Block, Terms, Value, add, merge, side_by_side, total

WIDEST_MATRIX = 256
"""Columns up to which a matrix is scaled for each request in place of the candidates' rows: about as many as there are candidates."""


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
        blocks.append(Block(block.width, terms))
    return (Value(step.shape, step.dtype, x.axis, tuple(blocks)),)


def _one_colour(x: Value) -> bool:
    """Whether nothing can be taken apart."""
    return len({term.colour for block in x.blocks for term in block.terms} - {Colour.CONSTANT}) <= 1


@dataclass(frozen=True)
class _Part:
    """left times matrix: one summand of a layer. matrix: a constant, or the request's."""

    left: Tensor
    matrix: Tensor

    @property
    def group(self) -> tuple[Colour, Shape] | None:
        """Parts of one group are multiplied at once; None for one that is multiplied by itself."""
        return (self.left.colour, self.left.shape[:-1]) if self.matrix.array is not None else None


def _terms(graph: Graph, x: Value, weight: AnyArray, bias: AnyArray | None) -> Terms:
    """x weight + bias, one term for each colour. What is mixed already is finished first: it has to be multiplied for each candidate in any case."""
    graph.reordered = True
    parts: list[_Part] = []
    offsets = x.offsets
    for block, start, stop in zip(x.blocks, offsets, offsets[1:], strict=False):
        parts += _parts(graph, block, np.ascontiguousarray(weight[start:stop]))
    parts = _together(graph, parts)
    alone = [_product(graph, part.left, part.matrix) for part in parts if part.group is None]
    groups: defaultdict[tuple[Colour, Shape], list[_Part]] = defaultdict(list)
    for part in parts:
        if part.group is not None:
            groups[part.group].append(part)
    terms = [_group(graph, members, len(x.shape)) for members in groups.values()]
    return merge(graph, [*terms, *alone, *([] if bias is None else [graph.constant(bias)])])


def _parts(graph: Graph, block: Block, rows: AnyArray) -> list[_Part]:
    """The summands that one block gives, with its rows of the matrix."""
    mixed = [term for term in block.terms if term.colour is Colour.MIXED]
    factored = _factored(graph, mixed[0], rows) if mixed else None
    if mixed and factored is None:
        return [_Part(total(graph, block.terms), graph.constant(rows))]
    others = [_Part(term, graph.constant(rows)) for term in block.terms if term.colour is not Colour.MIXED]
    return others if factored is None else [*others, factored]


def _factored(graph: Graph, term: Tensor, rows: AnyArray) -> _Part | None:
    """A mixed term that is (something) times (something of the request), taken apart so that the request's factor goes into the matrix, once per
    request: (c * r) W = c (diag(r) W), and (a V) W = a (V W). None where it is no such product, or nothing would be gained."""
    node = term.node
    if len(node.inputs) != 2 or len(term.shape) != 2 or any(one is None for one in node.inputs):
        return None
    left, right = (one for one in node.inputs if one is not None)
    depth, width = rows.shape
    if node.operator == "MatMul" and right.colour is Colour.REQUEST and len(right.shape) == 2:
        inner = right.shape[0].fixed
        if inner * depth + depth * width > inner * width:
            return _Part(left, graph.apply("MatMul", [right, graph.constant(rows)], fixed(inner, width)))
    if node.operator == "Mul" and {left.colour, right.colour} & {Colour.REQUEST} and width <= WIDEST_MATRIX:
        row, many = (left, right) if left.colour is Colour.REQUEST else (right, left)
        if many.shape == term.shape and row.shape in (fixed(1, depth), fixed(1, 1)):
            column = shaped(graph, row, (row.shape[1], ONE))
            return _Part(many, graph.apply("Mul", [column, graph.constant(rows)], fixed(depth, width)))
    return None


def _together(graph: Graph, parts: list[_Part]) -> list[_Part]:
    """One part for each tensor that is multiplied: its matrices are added up, constants at once and the request's once per request."""
    found: dict[int, _Part] = {}
    for part in parts:
        known = found.get(id(part.left))
        found[id(part.left)] = part if known is None else _Part(part.left, add(graph, known.matrix, part.matrix))
    return list(found.values())


def _group(graph: Graph, members: list[_Part], rank: int) -> Tensor:
    """Parts of one colour: side by side, times their constant matrices one below the other."""
    arrays = [member.matrix.array for member in members if member.matrix.array is not None]
    left = side_by_side(graph, [member.left for member in members], [len(array) for array in arrays], rank - 1, rank)
    return _product(graph, left, graph.constant(np.concatenate(arrays)))


def _product(graph: Graph, x: Tensor, matrix: Tensor) -> Tensor:
    known = matrix.array
    if known is not None and x.array is not None and x.shape[-1].fixed == len(known):
        return graph.constant(x.array @ known)
    if known is not None and x.shape[-1].fixed != len(known):  # repeated along the axis that is summed: its rows of the matrix may be summed first
        matrix = graph.constant(known.sum(axis=0, keepdims=True))
    return graph.apply("MatMul", [x, matrix], (*x.shape[:-1], Size(0, matrix.shape[1].fixed)))
