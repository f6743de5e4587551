"""Writes a folded ranker as two models: the creators' part, which the build runs, and what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from onnx import ModelProto, helper

from ranking.bound import Head
from ranking.folding.bind import SIMILARITY_LEAF, CreatorLeaf, reads_similarity
from ranking.folding.colour import Colour
from ranking.folding.emit import Emitter
from ranking.folding.fold import Folded
from ranking.folding.frontier import nodes_behind, width_of
from ranking.folding.graph import LEAF, Tensor
from ranking.folding.work import PRICES
from ranking.graph_editor import GraphEditor
from ranking.opset import imported
from ranking.plan import FORM_FOLDED, FORM_NARROWED, FORM_SPLIT, CreatorPartPlan, GraphInputs, RankerDescription, RequestInput, TableInput
from ranking.scores import Outputs, add_scores, declare, element, stamp, value_info
from ranking.tables import TableWriter

SPLIT_AS_INPUT = 13
"""The opset from which Split takes its lengths as an input."""


@dataclass(frozen=True)
class _Gathered:
    """A table with the creators' tensors whose rows it holds side by side: gathering costs by the table more than by the number."""

    table: TableInput
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class FoldedComposer:
    """Composes one folded ranker. model: the one that was folded, for its versions. `tables` collects what the graph wants of creators. narrow: store
    what is computed in float16; it is gathered so, and computed with in float32."""

    folded: Folded
    model: ModelProto
    tables: TableWriter
    described: RankerDescription
    narrow: bool = False

    def compose(self, heads: Sequence[Head]) -> tuple[ModelProto, ModelProto | None, RankerDescription]:
        """(served model, creators' part or None, `described` with what they take)."""
        leaves = self.folded.leaves(self.folded.served_nodes, Colour.REQUEST)
        requests = {id(leaf): _request(f"{self.described.prefix}/request/{place}", leaf) for place, leaf in enumerate(leaves)}
        similar = reads_similarity(self.folded.leaves(self.folded.served_nodes, Colour.MIXED))
        taken = GraphInputs(tuple(requests.values()), tuple(one.table for one in self._gathered), similar)
        plan, part = self._creator_part()
        form = FORM_SPLIT if not self.folded.computed else FORM_NARROWED if self.narrow else FORM_FOLDED
        done = replace(self.described, inputs=taken, form=form, creator=plan)
        return self._served(heads, done, requests), part, done

    @cached_property
    def _gathered(self) -> tuple[_Gathered, ...]:
        by_type: dict[str, list[Tensor]] = {}
        for tensor in self.folded.stored:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        groups = [group for tensors in by_type.values() for group in _grouped(tensors)]
        return tuple(self._table(place, tensors) for place, tensors in enumerate(groups))

    def _table(self, place: int, tensors: list[Tensor]) -> _Gathered:
        leaf = tensors[0].node.payload
        if len(tensors) == 1 and isinstance(leaf, CreatorLeaf):
            return _Gathered(self.tables.columns_table(leaf.columns, leaf.dtype, leaf.length), tuple(tensors))
        shape = [size.fixed for size in tensors[0].shape[1:]] if len(tensors) == 1 else [sum(map(width_of, tensors))]
        name, file = f"{self.described.prefix}/computed/{place}", f"computed-{place}.npy"
        dtype = "float16" if self.narrow and tensors[0].dtype == "float32" else tensors[0].dtype
        return _Gathered(TableInput(name, file, dtype, (len(self.tables.creators), *shape)), tuple(tensors))

    def _served(self, heads: Sequence[Head], done: RankerDescription, requests: Mapping[int, RequestInput]) -> ModelProto:
        editor = GraphEditor(f"{done.prefix}/folded")
        count = editor.add("Shape", [done.rows])
        given = {key: request.name for key, request in requests.items()}
        given |= {id(leaf): done.similarities for leaf in self.folded.leaves(self.folded.served_nodes, Colour.MIXED) if _is_similarity(leaf)}
        for one in self._gathered:
            given |= self._gather(editor, one, done.rows)
        outputs = self.folded.outputs
        names = Emitter(editor, given, count).emit(list(outputs.values()))
        editor.drop_unread(count)
        back = GraphEditor(f"{done.prefix}/back")
        floats = frozenset(name for name, tensor in outputs.items() if tensor.dtype == "float32")
        add_scores(back, heads, done, Outputs(dict(zip(outputs, names, strict=True)), floats))
        served = _model([editor, back])
        declare(served, done, self.model)
        return served

    def _gather(self, editor: GraphEditor, one: _Gathered, rows: str) -> dict[int, str]:
        """The candidates' rows of one table, parted into its tensors."""
        gathered = editor.add("Gather", [one.table.name, rows], axis=0)
        if one.table.dtype != one.tensors[0].dtype:
            gathered = editor.add("Cast", [gathered], to=element(one.tensors[0].dtype))
        if len(one.tensors) == 1:
            return {id(one.tensors[0]): gathered}
        parts = editor.split(gathered, list(map(width_of, one.tensors)), axis=1, as_input=imported(self.model)[""] >= SPLIT_AS_INPUT)
        return {id(tensor): _in_shape(editor, part, tensor) for part, tensor in zip(parts, one.tensors, strict=True)}

    def _creator_part(self) -> tuple[CreatorPartPlan | None, ModelProto | None]:
        computed = [one for one in self._gathered if len(one.tensors) > 1 or one.tensors[0].node.operator != LEAF]
        if not computed:
            return None, None
        wanted = [tensor for one in computed for tensor in one.tensors]
        leaves = self.folded.leaves(nodes_behind(wanted), Colour.CREATOR)
        inputs = {id(leaf): _creator_input(f"{self.described.prefix}/creator/{place}", leaf) for place, leaf in enumerate(leaves)}
        editor = GraphEditor(f"{self.described.prefix}/part")
        count = editor.add("Gather", [editor.add("Shape", [next(iter(inputs.values())).name]), editor.constant([0], "int64")], axis=0)
        names = Emitter(editor, {key: one.name for key, one in inputs.items()}, count).emit(wanted)
        known = {id(tensor): name for tensor, name in zip(wanted, names, strict=True)}
        for one in computed:
            _fill(editor, one, [known[id(tensor)] for tensor in one.tensors])
        part = _model([editor])
        part.graph.input.extend(value_info(one.name, element(one.dtype), ["n", *one.shape[1:]]) for one in inputs.values())
        part.graph.output.extend(value_info(one.table.name, element(one.tensors[0].dtype), ["n", *one.table.shape[1:]]) for one in computed)
        stamp(part, self.model)
        return CreatorPartPlan(tuple(inputs.values()), tuple(one.table.name for one in computed)), part


def _grouped(tensors: list[Tensor]) -> list[list[Tensor]]:
    """The tensors that share a table: the narrow ones, where that saves more misses than parting the rows again costs."""
    narrow = [tensor for tensor in tensors if width_of(tensor) * PRICES.part_ns < PRICES.table_ns]
    saved_ns = (len(narrow) - 1) * PRICES.table_ns - sum(map(width_of, narrow)) * PRICES.part_ns
    if saved_ns <= 0:
        return [[tensor] for tensor in tensors]
    return [narrow, *([tensor] for tensor in tensors if tensor not in narrow)]


def _fill(editor: GraphEditor, one: _Gathered, names: list[str]) -> None:
    """Rows of one table, under its name."""
    if len(names) == 1:
        editor.add("Identity", names, one.table.name)
        return
    flat = [
        name if len(tensor.shape) == 2 else editor.add("Reshape", [name, editor.constant([-1, width_of(tensor)], "int64")])
        for name, tensor in zip(names, one.tensors, strict=True)
    ]
    editor.add("Concat", flat, one.table.name, axis=1)


def _in_shape(editor: GraphEditor, part: str, tensor: Tensor) -> str:
    """One part of a gathered row in the shape of its tensor."""
    if len(tensor.shape) == 2:
        return part
    return editor.add("Reshape", [part, editor.constant([-1, *(size.fixed for size in tensor.shape[1:])], "int64")])


def _model(editors: Sequence[GraphEditor]) -> ModelProto:
    """A model of the editors' nodes, in order; its inputs and outputs are still to be declared."""
    nodes = [node for editor in editors for node in editor.nodes]
    read = {name for node in nodes for name in node.input}
    constants = [tensor for editor in editors for name, tensor in editor.constants.items() if name in read]
    return helper.make_model(helper.make_graph(nodes, "ranker", [], [], constants), producer_name="earshot")


def _request(name: str, leaf: Tensor) -> RequestInput:
    wanted = leaf.node.payload
    return RequestInput(name, wanted.dtype, wanted.shape, wanted.length, wanted.columns, wanted.of)


def _creator_input(name: str, leaf: Tensor) -> RequestInput:
    wanted: CreatorLeaf = leaf.node.payload
    return RequestInput(name, wanted.dtype, (0, *(size.fixed for size in leaf.shape[1:])), wanted.length, wanted.columns)


def _is_similarity(leaf: Tensor) -> bool:
    return leaf.node.operator == LEAF and leaf.node.payload == SIMILARITY_LEAF
