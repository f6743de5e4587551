"""What stands behind a ranker in its served graph: one score per candidate, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from ranking.bound import Head
from ranking.graph_editor import GraphEditor
from ranking.opset import LEAST_IR, imported
from ranking.plan import RankerDescription

INTS = TensorProto.INT64
FLOATS = TensorProto.FLOAT


@dataclass(frozen=True)
class Outputs:
    """The model's outputs in the served graph. names: by the names that the model has for them; floats: which of these are float32."""

    names: Mapping[str, str]
    floats: frozenset[str]


def add_scores(back: GraphEditor, heads: Sequence[Head], described: RankerDescription, outputs: Outputs) -> None:
    """scores = the output, or the sum of the heads by their weights; best and top = the best of them, and where they stand."""
    if described.weights:
        columns = [_head(back, head, outputs) for head in heads]
        terms = [back.add("Mul", [c, back.add("Gather", [described.weights, back.constant([i], "int64")], axis=0)]) for i, c in enumerate(columns)]
        for term in terms[1:]:
            terms[0] = back.add("Add", [terms[0], term])
        back.add("Identity", terms[:1], described.scores)
    else:
        _head(back, heads[0], outputs, described.scores)
    # Ties and what is not finite are for the caller: TopK knows no ids and ranks NaN first.
    back.nodes.append(helper.make_node("TopK", [described.scores, described.top_count], [described.best, described.top], name=f"{back.prefix}/topk"))


def _head(back: GraphEditor, head: Head, outputs: Outputs, name: str = "") -> str:
    """One output of the model as float32 [n]."""
    source = outputs.names[head.output]
    if head.column is not None:
        source = back.add("Gather", [source, back.constant([head.column], "int64")], axis=1)
    shape = back.constant([-1], "int64")
    if head.output in outputs.floats:
        return back.add("Reshape", [source, shape], name)
    return back.add("Cast", [back.add("Reshape", [source, shape])], name, to=FLOATS)


def declare(served: ModelProto, described: RankerDescription, opset_of: ModelProto) -> None:
    """Give the graph its inputs and outputs, and the versions of the model that it was made of."""
    graph = served.graph
    for declared in (graph.input, graph.output, graph.value_info, served.metadata_props, served.opset_import):
        del declared[:]  # shapes that an exporter wrote down may be those of its example batch
    graph.input.extend(_inputs(described))
    graph.output.extend(
        [value_info(described.scores, FLOATS, ["n"]), value_info(described.best, FLOATS, ["k"]), value_info(described.top, INTS, ["k"])]
    )
    stamp(served, opset_of)


def stamp(served: ModelProto, opset_of: ModelProto) -> None:
    """Give the graph the versions of the model that it was made of."""
    served.ir_version = max(opset_of.ir_version, LEAST_IR)
    versions = imported(opset_of)
    del served.opset_import[:]
    served.opset_import.extend(helper.make_opsetid(domain, versions[domain]) for domain in ("", "ai.onnx.ml") if domain in versions)


def _inputs(described: RankerDescription) -> list[ValueInfoProto]:
    inputs = [value_info(described.rows, INTS, ["n"]), value_info(described.top_count, INTS, [1])]
    if described.similarities:
        inputs.append(value_info(described.similarities, FLOATS, ["n", 1]))
    if described.weights:
        inputs.append(value_info(described.weights, FLOATS, [len(described.objective)]))
    inputs += [value_info(r.name, element(r.dtype), list(r.shape)) for r in described.requests]
    inputs += [value_info(t.name, element(t.dtype), ["creators", *t.shape[1:]]) for t in described.tables]
    return inputs


def value_info(name: str, kind: int, shape: Sequence[str | int]) -> ValueInfoProto:
    """A declared input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def element(dtype: str) -> int:
    """ONNX's number of a NumPy type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
