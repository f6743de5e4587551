"""Folds the creators' part of split first layers into tables.

A first layer's y = c W_c + s W_s + (r W_r + b), as `ranking.split` has it, with the candidates' block parted into the creator's columns c and the
similarities s. c W_c is the same for every request, so the build computes it for the whole catalogue, and serving gathers rows of the product instead
of rows of c. The same idea by hand: "MaRI" (Kuaishou) and "AIF" (Alibaba) keep such parts of rankers beside their items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ranking.graph_editor import GraphEditor
from ranking.resolve import CREATOR, SIMILARITY
from ranking.split import SplitInput

MULTIPLY_NS = 0.011
"""One multiplication with its addition in float32 on one core. Measured, like the next, by `python -m bench.adr.first_layer`."""

GATHER_NS = 0.8
"""One element of a gathered row, in a catalogue that no cache holds."""

WIDEST = 1024
"""Elements per creator in all products of a ranker, 4 KB: wider tables cost more memory than most would give for the time."""


def fold_inputs(splits: Mapping[str, SplitInput]) -> Mapping[str, SplitInput]:
    """The same with those inputs folded where that pays; empty when it pays for none."""
    folded: dict[str, SplitInput] = {}
    room = WIDEST
    for name, split in splits.items():
        width = sum(layer.weight.shape[1] for layer in split.layers)
        if width <= room and folding_pays(len(split.places(CREATOR)), width):
            folded[name] = replace(split, folded=True)
            room -= width
    return {**splits, **folded} if folded else {}


def folding_pays(creator_width: int, layer_width: int) -> bool:
    """Whether gathering products costs less than gathering the creators' columns and multiplying them."""
    multiplying_ns = MULTIPLY_NS * creator_width * layer_width
    return multiplying_ns > GATHER_NS * (layer_width - creator_width)


def write_folded(split: SplitInput, graph: GraphEditor, request: str, gathered: Sequence[str], similarities: Sequence[str]) -> None:
    """Append the nodes that make every layer's y.

    request: the tensor [1, r]. gathered: per layer the candidates' rows [n, N] of its product. similarities: tensors [n, 1].
    """
    ones = _ones(graph, similarities[0], split.layers[0].weight.dtype.name) if similarities else ""
    for layer, product in zip(split.layers, gathered, strict=True):
        row = split.write_row(graph, layer, request)
        if not similarities:
            graph.add("Add", [product, row], layer.output)
            continue
        # One product [s, 1] [W_s; row] + gathered: the runtime fuses it with the activation behind it, and passes over the rows once.
        left = graph.add("Concat", [*similarities, ones], axis=1)
        right = graph.add("Concat", [graph.weights(layer.weight[split.places(SIMILARITY)]), row], axis=0)
        graph.add("Gemm", [left, right, product], layer.output)


def _ones(graph: GraphEditor, like: str, dtype: str) -> str:
    """Ones [n, 1] beside the similarities `like` [n, 1]."""
    return graph.add("Expand", [graph.constant([[1]], dtype), graph.add("Shape", [like])])
