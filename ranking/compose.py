"""Edits a model's graph into the served one: gather in front, top-n behind, everything in one call.

    rows, request inputs, tables, similarities  ->  the model's own inputs  ->  the model  ->  scores  ->  top positions

An input that is split (form "split") is fed in blocks, straight into the layers that read it; where it is folded (form "folded"), the creators' block
of these layers comes from a table. Only operators that exist since opset 10, in forms that never changed, so that a model of any later opset keeps
its own. The tables are inputs, not initializers: a session would copy those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from ranking.bound import Head
from ranking.fold import write_folded
from ranking.graph_editor import GraphEditor
from ranking.opset import LEAST_IR, imported
from ranking.plan import FORM_FOLDED, FORM_SPLIT, FORM_WHOLE, BoundColumn, RankerDescription, RequestInput
from ranking.resolve import CREATOR, SIMILARITY, InputPlan, Piece
from ranking.split import SplitInput
from ranking.tables import TableWriter

INTS = TensorProto.INT64
FLOATS = TensorProto.FLOAT


class Composer:
    """Composes one served graph. `tables` collects what the graph wants of creators; `splits`: the inputs that are fed in blocks, by name."""

    def __init__(self, model: ModelProto, tables: TableWriter, splits: Mapping[str, SplitInput]) -> None:
        self._model = model
        self._tables = tables
        self._splits = splits
        self._front = GraphEditor(f"{tables.prefix}/front")
        self._requests: list[RequestInput] = []
        self._reads_similarity = False
        self._rows = f"{tables.prefix}/rows"

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
            form=self._form(),
            details=description.details,
        )
        _score(back, heads, described, frozenset(o.name for o in self._model.graph.output if o.type.tensor_type.elem_type == FLOATS))
        _top(back, described)
        return self._assemble(back, described), described

    def _form(self) -> str:
        if any(split.folded for split in self._splits.values()):
            return FORM_FOLDED
        return FORM_SPLIT if self._splits else FORM_WHOLE

    def _feed(self, one: InputPlan) -> None:
        """Produce the tensor of one input of the model, under its own name."""
        if one.per == "request":
            (piece,) = one.pieces
            self._requests.append(RequestInput(one.name, one.dtype, one.shape, one.length, piece.columns, one.name))
            return
        if one.name in self._splits:
            self._feed_blocks(one, self._splits[one.name])
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

    def _feed_blocks(self, one: InputPlan, split: SplitInput) -> None:
        """Produce what the layers behind an input give, without the input itself."""
        request = self._request_row(one, split.request)
        parts = [self._part(one, piece) for piece in split.of(*((SIMILARITY,) if split.folded else (CREATOR, SIMILARITY)))]
        if split.folded:
            products = [self._tables.product_for(split.of(CREATOR), one.dtype, layer.weight[split.places(CREATOR)]) for layer in split.layers]
            gathered = [self._front.add("Gather", [product.name, self._rows], axis=0) for product in products]
            write_folded(split, self._front, request, gathered, parts)
        else:
            split.write_layers(self._front, request, self._front.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0])

    def _part(self, one: InputPlan, piece: Piece) -> str:
        """One piece for n candidates: [n, width] or [n, length, width]."""
        front, rows = self._front, self._rows
        if piece.origin == CREATOR:
            return front.add("Gather", [self._tables.table_for(piece, one.dtype, one.length).name, rows], axis=0)
        if piece.origin == SIMILARITY:
            self._reads_similarity = True
            column = f"{self._tables.prefix}/similarities"
            return column if one.dtype == "float32" else front.add("Cast", [column], to=_element(one.dtype))
        ones = front.constant([1, 1] if one.length else [1], "int64")
        wide = front.add("Concat", [front.add("Shape", [rows]), ones], axis=0)
        return front.add("Expand", [self._request_row(one, piece.columns), wide])

    def _request_row(self, one: InputPlan, columns: tuple[BoundColumn, ...]) -> str:
        """The name of the served input that brings these columns, [1, width] or [1, length, width]; equal ones are assembled once."""
        width = sum(column.width for column in columns)
        shape = (1, one.length, width) if one.length else (1, width)
        wanted = RequestInput(f"{self._tables.prefix}/request/{len(self._requests)}", one.dtype, shape, one.length, columns, one.name)
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
        replaced = {name for split in self._splits.values() for layer in split.layers for name in layer.replaces}
        kept_nodes = [node for node in self._model.graph.node if not replaced.intersection(node.output)]
        graph.node.extend([*self._front.nodes, *kept_nodes, *back.nodes])
        read = {name for node in graph.node for name in node.input}
        constants = [tensor for tensor in self._model.graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend([*constants, *self._front.constants.values(), *back.constants.values()])
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
        inputs.append(_value(described.similarities, FLOATS, ["n", 1]))
    if described.weights:
        inputs.append(_value(described.weights, FLOATS, [len(described.objective)]))
    inputs += [_value(r.name, _element(r.dtype), list(r.shape)) for r in described.requests]
    inputs += [_value(t.name, _element(t.dtype), ["creators", *t.shape[1:]]) for t in described.tables]
    return inputs


def _value(name: str, element: int, shape: Sequence[str | int]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def _element(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
