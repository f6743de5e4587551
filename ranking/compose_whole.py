"""Composes the whole form: the model as it was exported, with its inputs in front and the top-n behind, in one call.

    rows, request inputs, tables, similarities  ->  the model's own inputs  ->  the model  ->  scores  ->  top positions

Only operators that exist since opset 10, in forms that never changed, so that a model of any later opset keeps its own. The tables are inputs, not
initializers: a session would copy those.
"""

from __future__ import annotations

from dataclasses import replace

from onnx import ModelProto

from ranking.bound import Head
from ranking.graph_editor import GraphEditor
from ranking.plan import FORM_WHOLE, BoundColumn, GraphInputs, RankerDescription, RequestInput, TableInput
from ranking.resolve import CREATOR, SIMILARITY, InputPlan, Piece
from ranking.scores import FLOATS, Outputs, add_scores, declare, element
from ranking.tables import TableWriter


class WholeComposer:
    """Composes one served graph. `tables` collects what the graph wants of creators."""

    def __init__(self, model: ModelProto, tables: TableWriter) -> None:
        self._model = model
        self._tables = tables
        self._front = GraphEditor(f"{tables.prefix}/front")
        self._requests: list[RequestInput] = []
        self._read: dict[str, TableInput] = {}
        self._reads_similarity = False
        self._rows = f"{tables.prefix}/rows"

    def compose(self, inputs: tuple[InputPlan, ...], heads: tuple[Head, ...], described: RankerDescription) -> tuple[ModelProto, RankerDescription]:
        """The served model, and `described` with what it takes."""
        for one in inputs:
            self._feed(one)
        taken = GraphInputs(tuple(self._requests), tuple(self._read.values()), self._reads_similarity)
        whole = replace(described, inputs=taken, form=FORM_WHOLE)
        back = GraphEditor(f"{described.prefix}/back")
        declared = self._model.graph.output
        floats = frozenset(o.name for o in declared if o.type.tensor_type.elem_type == FLOATS)
        add_scores(back, heads, whole, Outputs({o.name: o.name for o in declared}, floats))
        return self._assemble(back, whole), whole

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
        front, rows = self._front, self._rows
        if piece.origin == CREATOR:
            table = self._tables.columns_table(piece.columns, one.dtype, one.length)
            self._read[table.name] = table
            return front.add("Gather", [table.name, rows], axis=0)
        if piece.origin == SIMILARITY:
            self._reads_similarity = True
            column = f"{self._tables.prefix}/similarities"
            return column if one.dtype == "float32" else front.add("Cast", [column], to=element(one.dtype))
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

    def _assemble(self, back: GraphEditor, whole: RankerDescription) -> ModelProto:
        served = ModelProto()
        served.CopyFrom(self._model)
        graph = served.graph
        del graph.node[:]
        graph.node.extend([*self._front.nodes, *self._model.graph.node, *back.nodes])
        graph.initializer.extend([*self._front.constants.values(), *back.constants.values()])
        declare(served, whole, self._model)
        return served
