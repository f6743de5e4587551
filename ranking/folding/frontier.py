"""Where to cut: which of the creators' tensors become tables, so that gathering them and computing the rest per candidate costs the least.

Every tensor that the candidates' part needs of creators is either gathered, or computed from others that are. The cheapest choice is a minimum cut.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from math import prod

from ranking.folding.colour import Colour
from ranking.folding.graph import LEAF, Node, Tensor
from ranking.folding.size import ROWS, at
from ranking.folding.work import PRICES, Prices, node_cost_ns

WIDEST = 1024
"""Elements per creator in all computed tables of a ranker, 4 KB: wider ones cost more memory than most would give for the time."""

SAMPLE = 1_000  # candidates over which costs are averaged
UNIT_NS = 1e-6  # costs are compared as integers of this size: a cut of floating-point numbers may never end
ENDLESS = 10**18


def width_of(tensor: Tensor) -> int:
    """Elements per creator."""
    return prod(at(tensor.shape[1:], 1))


def storable(tensor: Tensor) -> bool:
    """Whether it is a row per creator."""
    return bool(tensor.shape) and tensor.shape[0] == ROWS and not any(size.varies for size in tensor.shape[1:]) and width_of(tensor) > 0


def frontier(outputs: Sequence[Tensor]) -> list[Tensor]:
    """The creators' tensors that nodes of other colours read, or that are asked for themselves."""
    found: dict[int, Tensor] = {id(t): t for t in outputs if t.colour is Colour.CREATOR}
    for node in nodes_behind(outputs):
        if node.colour is not Colour.CREATOR:
            found.update((id(t), t) for t in node.inputs if t is not None and t.colour is Colour.CREATOR)
    return list(found.values())


def nodes_behind(outputs: Iterable[Tensor], stop: frozenset[int] = frozenset()) -> list[Node]:
    """Every node that the outputs need, in the order of computing. stop: ids of tensors that need not be computed."""
    found: dict[int, Node] = {}
    waiting = [tensor for tensor in outputs if id(tensor) not in stop]
    while waiting:
        node = waiting.pop().node
        if node.number not in found:
            found[node.number] = node
            waiting += [one for one in node.inputs if one is not None and id(one) not in stop]
    return [found[number] for number in sorted(found)]


def choose(wanted: Sequence[Tensor], prices: Prices = PRICES, widest: int = WIDEST) -> list[Tensor]:
    """The tensors to gather, of which all `wanted` can be computed."""
    while True:
        chosen = _cheapest(wanted, prices)
        computed = [tensor for tensor in chosen if tensor.node.operator != LEAF]
        if not computed or sum(map(width_of, computed)) <= widest:
            return chosen
        prices = replace(prices, gather_ns=prices.gather_ns * 1.5)


def _cheapest(wanted: Sequence[Tensor], prices: Prices) -> list[Tensor]:
    flow, tensors = _Flow(), {}
    for tensor in wanted:
        flow.add("source", ("need", id(tensor)), ENDLESS)
    for node in nodes_behind(wanted):
        if node.colour is not Colour.CREATOR:
            continue
        for tensor in node.outputs:
            tensors[id(tensor)] = tensor
            flow.add(("need", id(tensor)), ("compute", node.number), _units(prices.gather_ns * width_of(tensor)) if storable(tensor) else ENDLESS)
        leaf = node.operator == LEAF
        flow.add(("compute", node.number), "sink", ENDLESS if leaf else _units(node_cost_ns(node, SAMPLE) / SAMPLE))
        for one in node.inputs:
            if one is not None and one.colour is Colour.CREATOR:
                flow.add(("compute", node.number), ("need", id(one)), ENDLESS)
    reached = flow.reached_after_cut()
    return [t for key, t in tensors.items() if ("need", key) in reached and ("compute", t.node.number) not in reached]


def _units(cost_ns: float) -> int:
    return round(cost_ns / UNIT_NS)


class _Flow:
    """A maximum flow, by shortest augmenting paths."""

    def __init__(self) -> None:
        self._left: defaultdict[Hashable, dict[Hashable, int]] = defaultdict(dict)

    def add(self, start: Hashable, end: Hashable, capacity: int) -> None:
        """An edge; capacities of equal ones add up."""
        self._left[start][end] = min(self._left[start].get(end, 0) + capacity, ENDLESS)
        self._left[end].setdefault(start, 0)

    def reached_after_cut(self) -> set[Hashable]:
        """What the source still reaches when the flow is at its maximum: its side of the cheapest cut."""
        while True:
            came_from = self._search()
            if "sink" not in came_from:
                return set(came_from)
            path: list[Hashable] = ["sink"]
            while path[-1] != "source":
                path.append(came_from[path[-1]])
            edges = list(zip(path[1:], path, strict=False))
            amount = min(self._left[start][end] for start, end in edges)
            for start, end in edges:
                self._left[start][end] -= amount
                self._left[end][start] += amount

    def _search(self) -> dict[Hashable, Hashable]:
        came_from: dict[Hashable, Hashable] = {"source": "source"}
        waiting: deque[Hashable] = deque(["source"])
        while waiting and "sink" not in came_from:
            start = waiting.popleft()
            for end, capacity in self._left[start].items():
                if capacity > 0 and end not in came_from:
                    came_from[end] = start
                    waiting.append(end)
        return came_from
