"""Turns the inputs of a model into values of known colour: the request's columns, the creators' and the similarity, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from onnx import helper

from ranking.folding.colour import Colour
from ranking.folding.graph import Graph, Tensor
from ranking.folding.layout import shaped
from ranking.folding.size import ONE, ROWS, Shape, Size, fixed
from ranking.folding.value import Block, Value, cut
from ranking.plan import BoundColumn
from ranking.resolve import CREATOR, REQUEST, InputPlan, Piece


@dataclass(frozen=True)
class RequestLeaf:
    """What is assembled once per request: as `ranking.plan.RequestInput`."""

    dtype: str
    shape: tuple[int, ...]
    length: int
    columns: tuple[BoundColumn, ...]
    of: str


@dataclass(frozen=True)
class CreatorLeaf:
    """Columns of creators: [n, width], or [n, length, width] for sequences."""

    dtype: str
    length: int
    columns: tuple[BoundColumn, ...]


SIMILARITY_LEAF = "similarity"


def bind_input(graph: Graph, one: InputPlan) -> Value:
    """The value that the model gets as the input `one`."""
    if one.per == "request":
        leaf = RequestLeaf(one.dtype, one.shape, one.length, one.pieces[0].columns, one.name)
        return Value.of(graph.leaf(leaf, Colour.REQUEST, fixed(*one.shape), one.dtype))
    axis = 2 if one.length else 1
    request = _request_parts(graph, one, axis)
    blocks = [Block(piece.width, (request.pop(0) if piece.origin == REQUEST else _part(graph, one, piece),)) for piece in one.pieces]
    width = Size(0, sum(piece.width for piece in one.pieces))
    shape: Shape = (ROWS, Size(0, one.length), width) if one.length else (ROWS, width)
    value = Value.summed(blocks[0].terms, shape) if len(blocks) == 1 else Value(shape, one.dtype, axis, tuple(blocks))
    if len(one.shape) == len(shape):
        return value
    (term,) = value.blocks[0].terms  # one column, which the model takes without an axis of its own
    return Value.of(shaped(graph, term, term.shape[:-1]), shape[:-1])


def _request_parts(graph: Graph, one: InputPlan, axis: int) -> list[Tensor]:
    """The request's pieces, cut from one leaf: what is assembled per request costs by the piece."""
    pieces = [piece for piece in one.pieces if piece.origin == REQUEST]
    if not pieces:
        return []
    columns = tuple(column for piece in pieces for column in piece.columns)
    width = sum(piece.width for piece in pieces)
    shape = (1, one.length, width) if one.length else (1, width)
    leaf = graph.leaf(RequestLeaf(one.dtype, shape, one.length, columns, one.name), Colour.REQUEST, fixed(*shape), one.dtype)
    offsets = np.cumsum([0, *(piece.width for piece in pieces)]).tolist()
    return [cut(graph, leaf, axis, start, stop, axis + 1) for start, stop in pairwise(offsets)]


def _part(graph: Graph, one: InputPlan, piece: Piece) -> Tensor:
    if piece.origin == CREATOR:
        shape: Shape = (ROWS, Size(0, one.length), Size(0, piece.width)) if one.length else (ROWS, Size(0, piece.width))
        return graph.leaf(CreatorLeaf(one.dtype, one.length, piece.columns), Colour.CREATOR, shape, one.dtype)
    column = graph.leaf(SIMILARITY_LEAF, Colour.MIXED, (ROWS, ONE), "float32")
    if one.dtype == "float32":
        return column
    return graph.apply("Cast", [column], column.shape, one.dtype, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(one.dtype))))


def reads_similarity(tensors: Sequence[Tensor]) -> bool:
    """Whether the similarity is among these tensors."""
    return any(tensor.node.payload == SIMILARITY_LEAF for tensor in tensors)
