"""Rankers that multiply features with each other: DCN-v2 and DeepFM."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.columns import CODE_COUNT, CONTEXT_CODES, CREATOR_CODES, CREATOR_SCALARS, USER_CODES, USER_SCALARS
from bench.rankers.mlp import FEATURES
from bench.rankers.network import Network
from bench.rankers.shape import Input

CROSS_COUNT = 3
IDS = Input("ids", (*USER_CODES, *CREATOR_CODES, *CONTEXT_CODES), dtype="int64")
NUMBERS = Input("numbers", (*USER_SCALARS, *CREATOR_SCALARS))
FACTOR_WIDTH = 16


def write_cross_network(path: Path, rng: np.random.Generator) -> None:
    """DCN-v2 (Wang et al., 2021), parallel: three cross layers x0 * (W x + b) + x beside a network, `features` [n, 177] -> `score` [n, 1]."""
    network, width = Network(rng), FEATURES.width
    crossed = "features"
    for _ in range(CROSS_COUNT):
        crossed = network.add("Add", [network.add("Mul", ["features", network.linear(crossed, width, width)]), crossed])
    deep = network.add("Relu", [network.mlp("features", (width, 256, 128))])
    network.linear(network.concat(crossed, deep), width + 128, 1, "score")
    network.save(path, [FEATURES], {"score": ["n", 1]})


def write_factorisation_machine(path: Path, rng: np.random.Generator) -> None:
    """DeepFM (Guo et al., 2017): `ids` int64 [n, 22] and `numbers` [n, 48] become 70 factors of width 16. Sums of first and second order over them,
    and a network over those of the ids with the numbers -> `score` [n, 1]."""
    network = Network(rng)
    rows = network.add("Add", ["ids", network.constant(np.arange(IDS.width, dtype=np.int64) * CODE_COUNT)])  # one table for all fields
    of_ids = network.add("Gather", [network.normal(IDS.width * CODE_COUNT, FACTOR_WIDTH, scale=0.25), rows], axis=0)
    of_numbers = network.add(
        "Mul", [network.add("Unsqueeze", ["numbers", network.constant([2])]), network.normal(NUMBERS.width, FACTOR_WIDTH, scale=0.1)]
    )
    pairs = _pairs(network, network.concat(of_ids, of_numbers))
    first_ids = network.add("Gather", [network.normal(IDS.width * CODE_COUNT, scale=0.1), rows], axis=0)
    first = network.add("Add", [_total(network, first_ids), network.linear("numbers", NUMBERS.width, 1)])
    flat = network.add("Reshape", [of_ids, network.constant([-1, IDS.width * FACTOR_WIDTH])])
    deep = network.mlp(network.concat(flat, "numbers"), (IDS.width * FACTOR_WIDTH + NUMBERS.width, 256, 128, 1))
    network.add("Add", [network.add("Add", [first, pairs]), deep], "score")
    network.save(path, [IDS, NUMBERS], {"score": ["n", 1]})


def _pairs(network: Network, factors: str) -> str:
    """The sum of the products of all pairs of factors [n, fields, width] as half of (square of the sum - sum of the squares): [n, 1]."""
    fields = network.constant([1])
    total = network.add("ReduceSum", [factors, fields], keepdims=0)
    squares = network.add("ReduceSum", [network.add("Mul", [factors, factors]), fields], keepdims=0)
    difference = network.add("Sub", [network.add("Mul", [total, total]), squares])
    return network.add("Mul", [_total(network, difference), network.constant(np.float32(0.5))])


def _total(network: Network, value: str) -> str:
    """[n, w] -> [n, 1]."""
    return network.add("ReduceSum", [value, network.constant([1])], keepdims=1)
