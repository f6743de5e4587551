"""Networks over one matrix of 177 columns, as most rankers are: plain, with normalisation, and with several heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.columns import CREATOR_SCALARS, USER_SCALARS
from bench.rankers.network import Network
from bench.rankers.shape import Input

WIDTHS = (177, 256, 128, 1)
FEATURES = Input("features", ("user.embedding", *USER_SCALARS, "creator.embedding", *CREATOR_SCALARS, "retrieval.similarity"))
EXPERT_COUNT = 4
HEADS = {"p_follow": 1.0, "p_stream": 0.3, "p_skip": -0.5}


def write_mlp(path: Path, rng: np.random.Generator) -> None:
    """A 177-256-128-1 network: `features` float32 [n, 177] -> `score` float32 [n, 1]."""
    network = Network(rng)
    network.mlp("features", WIDTHS, "score")
    network.save(path, [FEATURES], {"score": ["n", 1]})


def write_normalised(path: Path, rng: np.random.Generator) -> None:
    """The same with BatchNorm in front of every layer and behind it, and Dropout, which does nothing in inference but that some exporters keep it."""
    network = Network(rng)
    value = _batch_norm(network, "features", WIDTHS[0])
    ratio, training = network.constant(np.float32(0.2)), network.constant(np.bool_(False))
    for width_in, width_out in ((177, 256), (256, 128)):
        value = network.add("Relu", [_batch_norm(network, network.linear(value, width_in, width_out), width_out)])
        value = network.add("Dropout", [value, ratio, training])
    network.linear(value, WIDTHS[2], 1, "score")
    network.save(path, [FEATURES], {"score": ["n", 1]})


def write_heads(path: Path, rng: np.random.Generator) -> None:
    """Experts that three tasks mix with gates of their own (MMoE, Ma et al., 2018): `features` -> three probabilities, [n, 1] each."""
    network = Network(rng)
    experts = network.add("Concat", [_column(network, network.mlp("features", (177, 128, 64))) for _ in range(EXPERT_COUNT)], axis=1)
    for head in HEADS:
        gate = network.add("Softmax", [network.linear("features", 177, EXPERT_COUNT)], axis=1)
        weighed = network.add("Mul", [network.add("Unsqueeze", [gate, network.constant([2])]), experts])
        mixed = network.add("ReduceSum", [weighed, network.constant([1])], keepdims=0)
        network.add("Sigmoid", [network.mlp(mixed, (64, 32, 1))], head)
    network.save(path, [FEATURES], {head: ["n", 1] for head in HEADS})


def _batch_norm(network: Network, value: str, width: int) -> str:
    rng = network.rng
    means, biases = (network.normal(width, scale=0.1) for _ in range(2))
    scales, variances = (network.constant(rng.uniform(0.5, 1.5, width).astype(np.float32)) for _ in range(2))
    return network.add("BatchNormalization", [value, scales, biases, means, variances])


def _column(network: Network, value: str) -> str:
    """[n, w] as [n, 1, w]."""
    return network.add("Unsqueeze", [value, network.constant([1])])
