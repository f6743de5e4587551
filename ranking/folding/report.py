"""What folding made of a ranker, for people: shares of the work, what is stored and why, where the sides join and what is left behind that."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

from ranking.folding.bind import CreatorLeaf
from ranking.folding.colour import Colour
from ranking.folding.estimate import COUNT, Work
from ranking.folding.fold import Folded
from ranking.folding.frontier import nodes_behind, width_of
from ranking.folding.graph import LEAF, Node, Tensor
from ranking.folding.work import PRICES, node_cost_ns, node_operations

SHOWN = 12  # joins that are named; the rest is in one line


def describe(folded: Folded, work: Work) -> dict[str, Any]:
    """As a JSON value of plain types."""
    whole = max(work.whole, 1.0)
    return {
        "candidates": COUNT,
        "work": {
            "operations": round(work.whole),
            "creator_share": round(work.creator / whole, 4),
            "request_share": round(work.request / whole, 4),
            "candidate_share": round(min(work.candidate, whole) / whole, 4),
            "estimated_whole_us": round(work.whole_ns / 1e3, 1),
            "estimated_served_us": round(work.served_ns / 1e3, 1),
        },
        "reordered": folded.reordered,
        "tables": [_table(tensor) for tensor in folded.stored],
        "joins": _joins(folded, whole),
    }


def _table(tensor: Tensor) -> dict[str, Any]:
    """One stored tensor, and why it is stored rather than computed per candidate."""
    width = width_of(tensor)
    facts = {"width": width, "dtype": tensor.dtype, "bytes_per_creator": width * np.dtype(tensor.dtype).itemsize}
    gather_ns = round(width * PRICES.gather_ns, 1)
    if isinstance(tensor.node.payload, CreatorLeaf):
        names = ", ".join(column.ref.text for column in tensor.node.payload.columns)
        return {**facts, "holds": names, "gather_ns": gather_ns, "why": "columns that candidates need as they are"}
    behind = [node for node in nodes_behind([tensor]) if node.operator != LEAF]
    saved_ns = round(sum(node_cost_ns(node, COUNT) for node in behind) / COUNT, 1)
    read = sum(prod(size.fixed for size in node.outputs[0].shape[1:]) for node in nodes_behind([tensor]) if node.operator == LEAF)
    why = f"gathering {width} numbers costs {gather_ns:g} ns per candidate, computing them {saved_ns:g} ns and gathering {read} for it"
    return {**facts, "holds": tensor.node.source, "gather_ns": gather_ns, "computing_ns": saved_ns, "why": why}


def _joins(folded: Folded, whole: float) -> list[dict[str, Any]]:
    """The steps at which the sides come together, with the work behind each that no other one had before: what stays per candidate because of it."""
    first: dict[int, Node] = {}
    behind: defaultdict[int, float] = defaultdict(float)
    joins: dict[int, Node] = {}
    for node in folded.served_nodes:
        if node.colour is not Colour.MIXED or _of_similarity_alone(node):
            continue
        before = [first[one.node.number] for one in node.inputs if one is not None and one.node.number in first]
        origin = min(before, key=lambda one: one.number) if before else node
        first[node.number] = origin
        joins[origin.number] = origin
        behind[origin.number] += node_operations(node, COUNT) / COUNT
    barriers = {f"{node.op_type} {node.output[0]}" for node in folded.barriers}
    listed = sorted(joins.values(), key=lambda node: -behind[node.number])
    return [_join(node, behind[node.number], whole, node.source in barriers) for node in listed[:SHOWN] if behind[node.number] > 0]


def _of_similarity_alone(node: Node) -> bool:
    """Whether it only prepares what the first stage found, before anything is joined with it."""
    return node.operator == LEAF or all(
        one is None or one.colour is Colour.CONSTANT or (one.colour is Colour.MIXED and _of_similarity_alone(one.node)) for one in node.inputs
    )


def _join(node: Node, operations: float, whole: float, barrier: bool) -> dict[str, Any]:
    operator, _, output = node.source.partition(" ")
    why = "is taken as it is, over finished inputs" if barrier else "needs both sides at once"
    return {
        "operator": operator,
        "output": output,
        "why": why,
        "operations_per_candidate": round(operations),
        "share": round(operations * COUNT / whole, 4),
    }
