"""Edits a model's graph into the served one: gather in front, top-n behind, everything in one call.

    rows, request inputs, tables, similarities  ->  the model's own inputs  ->  the model  ->  scores  ->  top positions

Only operators that exist since opset 10, in forms that never changed, so that a model of any later opset keeps its own. The tables are inputs,
not initializers: a session would copy those. Folding (form "folded") belongs between `inputs` and `scores`: it replaces the model's nodes by those
that are left per candidate and asks for further tables and request inputs; what surrounds it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ranking.bound import Head
from ranking.opset import LEAST_IR, imported
from ranking.plan import RankerDescription, RequestInput
from ranking.resolve import InputPlan, Piece
from ranking.tables import TableWriter

INTS = TensorProto.INT64
FLOATS = TensorProto.FLOAT


@dataclass
class GraphEditor:
    """Collects nodes and constants under one prefix."""

    prefix: str
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        name = f"{self.prefix}/node/{len(self.nodes)}"
        output = output or f"{name}/{operator}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=name, **attributes))
        return output

    def constant(self, values: object, dtype: str) -> str:
        """The name of a constant tensor."""
        array = np.array(values, dtype)
        name = f"{self.prefix}/constant/{dtype}:{array.tolist()}"
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name


def free_prefix(model: ModelProto) -> str:
    """A prefix that no name of the model begins with."""
    graph = model.graph
    names = {n for node in graph.node for n in (node.name, *node.input, *node.output)}
    names |= {v.name for v in graph.input} | {t.name for t in graph.initializer}
    prefix, number = "earshot", 0
    while any(n.startswith(prefix) for n in names):
        number += 1
        prefix = f"earshot{number}"
    return prefix


class Composer:
    """Composes one served graph. `tables` collects what the graph wants of creators."""

    def __init__(self, model: ModelProto, tables: TableWriter) -> None:
        self._model = model
        self._tables = tables
        self._front = GraphEditor(f"{tables.prefix}/front")
        self._requests: list[RequestInput] = []
        self._reads_similarity = False

    def compose(self, inputs: tuple[InputPlan, ...], heads: tuple[Head, ...], description: RankerDescription) -> tuple[ModelProto, RankerDescription]:
        """The served model, and `description` with what it takes."""
        for one in inputs:
            self._feed(one)
        back = GraphEditor(f"{description.prefix}/back")
        described = RankerDescription(
            prefix=description.prefix,
            requests=tuple(self._requests),
            tables=tuple(self._tables.tables),
            reads_similarity=self._reads_similarity,
            objective=description.objective,
            user=description.user,
            context=description.context,
            details=description.details,
        )
        _score(back, heads, described, frozenset(o.name for o in self._model.graph.output if o.type.tensor_type.elem_type == FLOATS))
        _top(back, described)
        return self._assemble(back, described), described

    def _feed(self, one: InputPlan) -> None:
        """Produce the tensor of one input of the model, under its own name."""
        if one.per == "request":
            (piece,) = one.pieces
            self._requests.append(RequestInput(one.name, one.dtype, one.shape, one.length, piece.columns, one.name))
            return
        parts = [self._part(one, piece) for piece in one.pieces]
        reshaped = len(one.shape) < (3 if one.length else 2)
        joined = "" if reshaped else one.name
        if len(parts) > 1:
            whole = self._front.add("Concat", parts, joined, axis=2 if one.length else 1)
        else:
            whole = parts[0] if reshaped else self._front.add("Identity", parts, joined)
        if reshaped:
            self._front.add("Reshape", [whole, self._front.constant(list(one.shape), "int64")], one.name)

    def _part(self, one: InputPlan, piece: Piece) -> str:
        """One piece for n candidates: [n, width] or [n, length, width]."""
        front, rows = self._front, f"{self._tables.prefix}/rows"
        if piece.origin == "creator":
            return front.add("Gather", [self._tables.table_for(piece, one.dtype, one.length).name, rows], axis=0)
        if piece.origin == "similarity":
            self._reads_similarity = True
            column = front.add("Reshape", [f"{self._tables.prefix}/similarities", front.constant([-1, 1], "int64")])
            return column if one.dtype == "float32" else front.add("Cast", [column], to=_element(one.dtype))
        shape = (1, one.length, piece.width) if one.length else (1, piece.width)
        name = f"{self._tables.prefix}/request/{len(self._requests)}"
        name = self._request(RequestInput(name, one.dtype, shape, one.length, piece.columns, one.name))
        ones = front.constant([1] * (len(shape) - 1), "int64")
        wide = front.add("Concat", [front.add("Shape", [rows]), ones], axis=0)
        return front.add("Expand", [name, wide])

    def _request(self, wanted: RequestInput) -> str:
        """The name of the served input that brings these columns; equal ones are assembled once."""
        for known in self._requests:
            if (known.dtype, known.shape, known.length, known.columns) == (wanted.dtype, wanted.shape, wanted.length, wanted.columns):
                return known.name
        self._requests.append(wanted)
        return wanted.name

    def _assemble(self, back: GraphEditor, described: RankerDescription) -> ModelProto:
        served = ModelProto()
        served.CopyFrom(self._model)
        graph = served.graph
        for kept in (graph.input, graph.output, graph.value_info):
            del kept[:]  # shapes that an exporter wrote down may be those of its example batch
        del graph.node[:]
        graph.node.extend([*self._front.nodes, *self._model.graph.node, *back.nodes])
        graph.initializer.extend([*self._front.constants.values(), *back.constants.values()])
        graph.input.extend(_inputs(described))
        graph.output.extend([_value(described.scores, FLOATS, ["n"]), _value(described.best, FLOATS, ["k"]), _value(described.top, INTS, ["k"])])
        del served.metadata_props[:]
        served.ir_version = max(served.ir_version, LEAST_IR)
        versions = imported(self._model)
        del served.opset_import[:]
        served.opset_import.extend(helper.make_opsetid(domain, versions[domain]) for domain in ("", "ai.onnx.ml") if domain in versions)
        return served


def _score(back: GraphEditor, heads: tuple[Head, ...], described: RankerDescription, floats: frozenset[str]) -> None:
    """scores = the output, or the sum of the heads by their weights."""
    if not described.weights:
        _head(back, heads[0], floats, described.scores)
        return
    columns = [_head(back, head, floats) for head in heads]
    terms = [back.add("Mul", [c, back.add("Gather", [described.weights, back.constant([i], "int64")], axis=0)]) for i, c in enumerate(columns)]
    for term in terms[1:]:
        terms[0] = back.add("Add", [terms[0], term])
    back.add("Identity", terms[:1], described.scores)


def _head(back: GraphEditor, head: Head, floats: frozenset[str], name: str = "") -> str:
    """One output of the model as float32 [n]."""
    source = head.output
    if head.column is not None:
        source = back.add("Gather", [source, back.constant([head.column], "int64")], axis=1)
    shape = back.constant([-1], "int64")
    if head.output in floats:
        return back.add("Reshape", [source, shape], name)
    return back.add("Cast", [back.add("Reshape", [source, shape])], name, to=FLOATS)


def _top(back: GraphEditor, described: RankerDescription) -> None:
    """best and top = the best scores and their positions. Ties and what is not finite are for the caller: TopK knows no ids and ranks NaN first."""
    name = f"{back.prefix}/topk"
    back.nodes.append(helper.make_node("TopK", [described.scores, described.top_count], [described.best, described.top], name=name))


def _inputs(described: RankerDescription) -> list[ValueInfoProto]:
    inputs = [_value(described.rows, INTS, ["n"]), _value(described.top_count, INTS, [1])]
    if described.similarities:
        inputs.append(_value(described.similarities, FLOATS, ["n"]))
    if described.weights:
        inputs.append(_value(described.weights, FLOATS, [len(described.objective)]))
    inputs += [_value(r.name, _element(r.dtype), list(r.shape)) for r in described.requests]
    inputs += [_value(t.name, _element(t.dtype), ["creators", *t.shape[1:]]) for t in described.tables]
    return inputs


def _value(name: str, element: int, shape: Sequence[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def _element(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
