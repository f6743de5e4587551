"""Writes a folded ranker as two models: the creators' part, which the build runs, and what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from onnx import ModelProto, helper

from ranking.bound import Head
from ranking.folding.bind import SIMILARITY_LEAF, CreatorLeaf, reads_similarity
from ranking.folding.colour import Colour
from ranking.folding.emit import Emitter
from ranking.folding.fold import Folded
from ranking.folding.graph import LEAF, Tensor
from ranking.graph_editor import GraphEditor
from ranking.plan import FORM_FOLDED, FORM_SPLIT, CreatorPartPlan, GraphInputs, RankerDescription, RequestInput, TableInput
from ranking.scores import Outputs, add_scores, declare, element, stamp, value_info
from ranking.tables import TableWriter


@dataclass(frozen=True)
class FoldedComposer:
    """Composes one folded ranker. model: the one that was folded, for its versions. `tables` collects what the graph wants of creators."""

    folded: Folded
    model: ModelProto
    tables: TableWriter

    def compose(self, heads: Sequence[Head], described: RankerDescription) -> tuple[ModelProto, ModelProto | None, RankerDescription]:
        """(served model, creators' part or None, `described` with what they take)."""
        prefix = described.prefix
        tables = {id(tensor): self._table(prefix, place, tensor) for place, tensor in enumerate(self.folded.stored)}
        leaves = self.folded.leaves(self.folded.served_nodes, Colour.REQUEST)
        requests = {id(leaf): _request(f"{prefix}/request/{place}", leaf) for place, leaf in enumerate(leaves)}
        similar = reads_similarity(self.folded.leaves(self.folded.served_nodes, Colour.MIXED))
        taken = GraphInputs(tuple(requests.values()), tuple({t.name: t for t in tables.values()}.values()), similar)
        plan, part = self._creator_part(prefix, tables)
        form = FORM_FOLDED if self.folded.computed else FORM_SPLIT
        done = replace(described, inputs=taken, form=form, creator=plan)
        return self._served(heads, done, tables, requests), part, done

    def _table(self, prefix: str, place: int, tensor: Tensor) -> TableInput:
        if isinstance(tensor.node.payload, CreatorLeaf):
            leaf = tensor.node.payload
            return self.tables.columns_table(leaf.columns, leaf.dtype, leaf.length)
        shape = (len(self.tables.creators), *(size.fixed for size in tensor.shape[1:]))
        return TableInput(f"{prefix}/computed/{place}", f"computed-{place}.npy", tensor.dtype, shape)

    def _served(
        self, heads: Sequence[Head], done: RankerDescription, tables: Mapping[int, TableInput], requests: Mapping[int, RequestInput]
    ) -> ModelProto:
        editor = GraphEditor(f"{done.prefix}/folded")
        count = editor.add("Shape", [done.rows])
        given = {key: editor.add("Gather", [table.name, done.rows], axis=0) for key, table in tables.items()}
        given |= {key: request.name for key, request in requests.items()}
        given |= {id(leaf): done.similarities for leaf in self.folded.leaves(self.folded.served_nodes, Colour.MIXED) if _is_similarity(leaf)}
        outputs = self.folded.outputs
        names = Emitter(editor, given, count).emit(list(outputs.values()))
        back = GraphEditor(f"{done.prefix}/back")
        floats = frozenset(name for name, tensor in outputs.items() if tensor.dtype == "float32")
        add_scores(back, heads, done, Outputs(dict(zip(outputs, names, strict=True)), floats))
        served = _model([editor, back])
        declare(served, done, self.model)
        return served

    def _creator_part(self, prefix: str, tables: Mapping[int, TableInput]) -> tuple[CreatorPartPlan | None, ModelProto | None]:
        computed = self.folded.computed
        if not computed:
            return None, None
        leaves = self.folded.leaves(self.folded.creator_nodes, Colour.CREATOR)
        inputs = {id(leaf): _creator_input(f"{prefix}/creator/{place}", leaf) for place, leaf in enumerate(leaves)}
        editor = GraphEditor(f"{prefix}/part")
        first = next(iter(inputs.values())).name
        count = editor.add("Gather", [editor.add("Shape", [first]), editor.constant([0], "int64")], axis=0)
        names = Emitter(editor, {key: one.name for key, one in inputs.items()}, count).emit(list(computed))
        wanted = [tables[id(tensor)] for tensor in computed]
        for name, table in zip(names, wanted, strict=True):
            editor.add("Identity", [name], table.name)
        part = _model([editor])
        part.graph.input.extend(value_info(one.name, element(one.dtype), ["n", *one.shape[1:]]) for one in inputs.values())
        part.graph.output.extend(value_info(table.name, element(table.dtype), ["n", *table.shape[1:]]) for table in wanted)
        stamp(part, self.model)
        return CreatorPartPlan(tuple(inputs.values()), tuple(table.name for table in wanted)), part


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
