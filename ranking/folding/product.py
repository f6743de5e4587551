"""Products of two computed matrices: where one of them is the request's, all candidates' rows are multiplied with it at once."""

from __future__ import annotations

from math import prod

from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.layout import permuted, shaped
from ranking.folding.size import ONE, Size, padded
from ranking.folding.step import Step
from ranking.folding.value import Value, joined


def product(step: Step) -> tuple[Value, ...] | None:
    """A B where one side is the request's, and the candidates are not the rows or columns of it; None otherwise."""
    values = step.values
    if len(values) != 2 or any(len(value.shape) < 2 for value in values):
        return None
    a, b = values
    colours = {a.colour, b.colour}
    if Colour.REQUEST not in colours or not colours & {Colour.CREATOR, Colour.MIXED}:
        return None
    left, right = joined(step.graph, a), joined(step.graph, b)
    rank = max(len(a.shape), len(b.shape))
    left, right = shaped(step.graph, left, padded(left.shape, rank)), shaped(step.graph, right, padded(right.shape, rank))
    made = _by_row(step, left, right, a) if right.colour is Colour.REQUEST else _by_column(step, left, right, b)
    return None if made is None else (Value.of(made, step.shape),)


def _by_row(step: Step, rows: Tensor, matrix: Tensor, a: Value) -> Tensor | None:
    """Candidates' rows [n, .., M, K] times the request's [1, .., K, N]."""
    whole = padded(a.shape, len(rows.shape))
    if rows.shape[-1] != whole[-1] or rows.shape[-2] != whole[-2] or not (len(rows.shape) == 2 or rows.shape[0].varies):
        return None
    if any(size.varies for size in (*matrix.shape, *rows.shape[1:])):
        return None
    step.graph.reordered = True  # another kernel
    if len(rows.shape) == 2:
        return step.graph.apply("MatMul", [rows, matrix], (rows.shape[0], matrix.shape[1]))
    if prod(size.fixed for size in matrix.shape[:-2]) == 1:
        return _with_one_matrix(step.graph, rows, matrix)
    return _with_a_matrix_per_head(step.graph, rows, matrix)


def _with_one_matrix(graph: Graph, rows: Tensor, matrix: Tensor) -> Tensor:
    depth, width = matrix.shape[-2:]
    flat_rows = Size(prod(size.fixed for size in rows.shape[1:-1]), 0)
    flat = graph.apply("MatMul", [shaped(graph, rows, (flat_rows, depth)), shaped(graph, matrix, (depth, width))], (flat_rows, width))
    return shaped(graph, flat, (*rows.shape[:-1], width))


def _with_a_matrix_per_head(graph: Graph, rows: Tensor, matrix: Tensor) -> Tensor | None:
    """[n, H, M, K] x [1, H, K, N]: per head one product with n M rows, where broadcasting would make n H small ones."""
    if len(rows.shape) != 4 or rows.shape[1] != matrix.shape[1] or matrix.shape[0] != ONE:
        return None
    heads, count, depth, width = rows.shape[1], rows.shape[2], rows.shape[3], matrix.shape[3]
    flat_rows = Size(count.fixed, 0)
    by_head = shaped(graph, permuted(graph, rows, [1, 0, 2, 3]), (heads, flat_rows, depth))
    made = graph.apply("MatMul", [by_head, shaped(graph, matrix, (heads, depth, width))], (heads, flat_rows, width))
    return permuted(graph, shaped(graph, made, (heads, rows.shape[0], count, width)), [1, 0, 2, 3])


def _by_column(step: Step, row: Tensor, matrices: Tensor, b: Value) -> Tensor | None:
    """The request's [1, M, K] times candidates' [n, K, 1]: the transposed product has the candidates as rows."""
    whole = padded(b.shape, len(matrices.shape))
    if len(row.shape) != 3 or matrices.shape[1:] != whole[1:] or matrices.shape[2] != ONE or row.shape[0] != ONE or not matrices.shape[0].varies:
        return None
    graph, depth, count = step.graph, row.shape[2], row.shape[1]
    graph.reordered = True
    flat = shaped(graph, matrices, (matrices.shape[0], depth))
    turned = permuted(graph, shaped(graph, row, (count, depth)), [1, 0])
    made = graph.apply("MatMul", [flat, turned], (matrices.shape[0], count))
    return shaped(graph, made, (matrices.shape[0], count, ONE))
