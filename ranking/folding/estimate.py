"""How much work a model is whole and folded, by what it depends on, and what that costs by the prices of `ranking.folding.work`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper

from ranking.folding.colour import Colour
from ranking.folding.fold import BoundModel, Folded
from ranking.folding.frontier import width_of
from ranking.folding.work import PRICES, cost_ns, node_cost_ns, node_operations, operations
from ranking.resolve import CREATOR

COUNT = 500  # candidates
STEP_NS = 1_000.0  # what the runtime spends on a step besides its work: about a microsecond


@dataclass(frozen=True)
class Work:
    """Floating-point operations of one request with COUNT candidates. whole: of the model as exported. creator, request, candidate: of these, what
    depends on creators alone and is in tables, what is computed once per request, what is left per candidate. whole_ns, served_ns: estimated."""

    whole: float
    creator: float
    request: float
    candidate: float
    whole_ns: float
    served_ns: float


def estimate(bound: BoundModel, folded: Folded) -> Work:
    """Both forms side by side."""
    whole, whole_ns = _whole(bound)
    stored = sum(node_operations(node, COUNT) for node in folded.creator_nodes)
    candidate = sum(node_operations(node, COUNT) for node in folded.served_nodes if node.colour is not Colour.REQUEST)
    stored = min(stored, max(whole - candidate, 0.0))
    request = max(whole - candidate - stored, 0.0)
    served_ns = sum(node_cost_ns(node, COUNT) for node in folded.served_nodes) + STEP_NS * len(folded.served_nodes)
    served_ns += sum(PRICES.gather_ns * width_of(tensor) * COUNT + STEP_NS for tensor in folded.stored)
    return Work(whole, stored, request, candidate, whole_ns, served_ns)


def _whole(bound: BoundModel) -> tuple[float, float]:
    """(operations, nanoseconds) of the model as exported, with its inputs assembled."""
    known = _lengths_of_others(bound)
    count, cost = 0.0, 0.0
    for node in bound.model.graph.node:
        inputs = [None if not name else _lengths(name, bound, known) for name in node.input]
        outputs = [_lengths(name, bound, known) or () for name in node.output[:1]]
        trees = _trees(node)
        count += operations(node.op_type, inputs, outputs, trees)
        cost += cost_ns(node.op_type, inputs, outputs, trees) + STEP_NS
    for one in bound.inputs:
        if one.per == "candidate":
            for piece in one.pieces:
                elements = piece.width * (one.length or 1) * COUNT
                cost += elements * (PRICES.move_ns + (PRICES.gather_ns if piece.origin == CREATOR else PRICES.move_ns)) + STEP_NS
    return count, cost


def _lengths_of_others(bound: BoundModel) -> Mapping[str, Sequence[int]]:
    """Shapes of weights and inputs."""
    weights = {tensor.name: list(tensor.dims) for tensor in bound.model.graph.initializer}
    return weights | {one.name: [COUNT if length == -1 else length for length in one.shape] for one in bound.inputs}


def _lengths(name: str, bound: BoundModel, known: Mapping[str, Sequence[int]]) -> Sequence[int] | None:
    if name in bound.observed:
        return [size.at(COUNT) for size in bound.observed[name].shape]
    return known.get(name)


def _trees(node: NodeProto) -> int:
    ids = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "nodes_treeids"), [0])
    return len(np.unique(ids))
