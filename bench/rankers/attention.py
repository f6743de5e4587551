"""Attention of each candidate over what the user heard last."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.columns import CREATOR_SCALARS, HISTORY, HISTORY_LENGTH, USER_SCALARS
from bench.rankers.network import Network
from bench.rankers.shape import Input

CREATOR = Input("creator", ("creator.embedding",))
NUMBERS = Input("numbers", (*USER_SCALARS, *CREATOR_SCALARS))
HEARD = Input("history", (f"{HISTORY}.creator.embedding",), length=HISTORY_LENGTH)
MASK = Input("history_mask", (f"{HISTORY}.mask",), length=HISTORY_LENGTH)
INPUTS = (CREATOR, NUMBERS, HEARD, MASK)


def write_attention(path: Path, rng: np.random.Generator) -> None:
    """The history [1, 50, 64] is laid beside every candidate, as batches of training have it, and projected to keys and values there; the creator
    asks. A network over the creator, what it found, and numbers -> `score` [n, 1]."""
    network, width = Network(rng), HEARD.width
    history = _beside_every_candidate(network, "history", [HISTORY_LENGTH, width])
    mask = _beside_every_candidate(network, "history_mask", [HISTORY_LENGTH])
    keys, values = (_projected(network, history, width) for _ in range(2))
    query = network.add("Unsqueeze", [network.linear("creator", width, width), network.constant([1])])
    found = _attend(network, query, keys, values, mask)
    widths = (2 * width + NUMBERS.width, 128, 64, 1)
    network.mlp(network.concat("creator", found, "numbers"), widths, "score")
    network.save(path, INPUTS, {"score": ["n", 1]})


def _projected(network: Network, history: str, width: int) -> str:
    """A linear layer over [n, L, w]."""
    product = network.add("MatMul", [history, network.normal(width, width, scale=width**-0.5)])
    return network.add("Add", [product, network.normal(width, scale=0.1)])


def _beside_every_candidate(network: Network, value: str, tail: list[int]) -> str:
    """[1, ...] -> [n, ...], as torch's `expand` is exported."""
    count = network.add("Slice", [network.add("Shape", ["creator"]), network.constant([0]), network.constant([1])])
    return network.add("Expand", [value, network.concat(count, network.constant(tail), axis=0)])


def _attend(network: Network, query: str, keys: str, values: str, mask: str) -> str:
    """query [n, 1, w], keys and values [n, L, w], mask [n, L] -> [n, w]."""
    alike = network.add("MatMul", [query, network.add("Transpose", [keys], perm=[0, 2, 1])])
    scaled = network.add("Div", [network.add("Squeeze", [alike, network.constant([1])]), network.constant(np.float32(8.0))])
    padding = network.add("Mul", [network.add("Sub", [mask, network.constant(np.float32(1.0))]), network.constant(np.float32(1e9))])
    weights = network.add("Softmax", [network.add("Add", [scaled, padding])], axis=1)
    found = network.add("MatMul", [network.add("Unsqueeze", [weights, network.constant([1])]), values])
    return network.add("Squeeze", [found, network.constant([1])])
