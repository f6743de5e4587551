"""Folds a bound model: interprets it, cuts it, and writes its parts. The proof is somebody else's business (`ranking.compile`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from onnx import ModelProto, NodeProto

from ranking.bound import Head
from ranking.folding.bind import bind_input
from ranking.folding.colour import Colour
from ranking.folding.frontier import choose, frontier, nodes_behind
from ranking.folding.graph import LEAF, Graph, Node, Tensor
from ranking.folding.interpret import Interpreter
from ranking.folding.observe import Observed
from ranking.folding.problem import NotFoldable
from ranking.folding.value import Value, realised
from ranking.opset import imported
from ranking.resolve import InputPlan


@dataclass(frozen=True)
class BoundModel:
    """A model with its inputs and what was seen of its tensors. directory: where its external data lies."""

    model: ModelProto
    inputs: tuple[InputPlan, ...]
    heads: tuple[Head, ...]
    observed: Mapping[str, Observed]
    directory: Path


@dataclass(frozen=True)
class Folded:
    """A cut graph. outputs: by the model's names, one row per candidate. stored: the creators' tensors that are gathered. reordered: whether sums are
    made in another order than the model makes them. barriers: nodes of the model that were taken as they are, over values of several colours."""

    outputs: Mapping[str, Tensor]
    stored: tuple[Tensor, ...]
    reordered: bool
    barriers: tuple[NodeProto, ...]

    @cached_property
    def computed(self) -> tuple[Tensor, ...]:
        """The stored tensors that are no columns."""
        return tuple(tensor for tensor in self.stored if tensor.node.operator != LEAF)

    @cached_property
    def served_nodes(self) -> tuple[Node, ...]:
        """What runs per request, once or per candidate, in the order of computing."""
        return tuple(nodes_behind(self.outputs.values(), frozenset(map(id, self.stored))))

    @cached_property
    def creator_nodes(self) -> tuple[Node, ...]:
        """What the build runs."""
        return tuple(nodes_behind(self.computed))

    def leaves(self, nodes: Sequence[Node], colour: Colour) -> list[Tensor]:
        """What has to be fed to these nodes, of one colour."""
        return [node.outputs[0] for node in nodes if node.operator == LEAF and node.colour is colour]


def fold(bound: BoundModel, splits: bool) -> Folded:
    """The folded graph. splits: whether sums may be taken apart; without, every number is computed as the model does. Raises NotFoldable."""
    graph = Graph(imported(bound.model)[""])
    interpreter = Interpreter(graph, bound.model, bound.observed, [head.output for head in bound.heads], bound.directory, splits)
    known = interpreter.run({one.name: bind_input(graph, one) for one in bound.inputs})
    outputs = {}
    for head in bound.heads:
        value = known[head.output]
        if not isinstance(value, Value) or not value.shape or not value.shape[0].varies:
            raise NotFoldable(f'"{head.output}" has no row per candidate')
        outputs[head.output] = _per_candidate(graph, value)
    stored = tuple(choose(frontier(list(outputs.values()))))
    return Folded(outputs, stored, graph.reordered or _runs_alone(list(outputs.values())), tuple(interpreter.barriers))


def _per_candidate(graph: Graph, value: Value) -> Tensor:
    colour = value.colour if value.colour is Colour.CREATOR else Colour.MIXED
    return realised(graph, value, colour)


def _runs_alone(outputs: Sequence[Tensor]) -> bool:
    """Whether a matrix product has the request's single row: the runtime takes another kernel for it, which sums in another order."""
    return any(node.colour is Colour.REQUEST and node.operator in ("Gemm", "MatMul") for node in nodes_behind(outputs))
