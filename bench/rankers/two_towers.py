"""Two towers that end in embeddings, and a network over both, their product and the context."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.network import Network
from bench.rankers.shape import Input

EMBEDDING = 128
USER, CREATOR, CONTEXT = (
    Input("user", ("user.embedding", "user.profile")),
    Input("creator", ("creator.embedding", "creator.profile")),
    Input("context", ("context.situation",)),
)
INPUTS = (USER, CREATOR, CONTEXT)  # all per candidate: the model takes rows as training batches had them


def write_two_towers(path: Path, rng: np.random.Generator) -> None:
    """user [n, 256] -> u [n, 128], creator [n, 384] -> c [n, 128], then [u, c, u * c, context] (400) -> 128 -> 64 -> `score` [n, 1]."""
    network = Network(rng)
    user = network.mlp("user", (USER.width, 256, EMBEDDING))
    creator = network.mlp("creator", (CREATOR.width, 256, EMBEDDING))
    both = network.concat(user, creator, network.add("Mul", [user, creator]), "context")
    network.mlp(both, (3 * EMBEDDING + CONTEXT.width, 128, 64, 1), "score")
    network.save(path, INPUTS, {"score": ["n", 1]})
