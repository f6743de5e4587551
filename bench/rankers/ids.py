"""A network over embeddings of ids that lie inside the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.columns import CODE_COUNT, CONTEXT_CODES, CREATOR_CODES, USER_CODES
from bench.rankers.mlp import FEATURES
from bench.rankers.network import Network
from bench.rankers.shape import Input

CODES = (*USER_CODES[:2], *CREATOR_CODES[:3], CONTEXT_CODES[0])
IDS = tuple(Input(column.replace(".", "_"), (column,), dtype="int64", flat=True) for column in CODES)
INPUTS = (*IDS, FEATURES)
WIDTH = 32


def write_ids(path: Path, rng: np.random.Generator) -> None:
    """Six ids, int64 [n] each, look up embeddings of width 32; with `features` [n, 177] they enter a 369-256-128-1 network -> `score` [n, 1]."""
    network = Network(rng)
    embedded = [network.add("Gather", [network.normal(CODE_COUNT, WIDTH), one.name], axis=0) for one in IDS]
    width = len(IDS) * WIDTH + FEATURES.width
    network.mlp(network.concat(*embedded, "features"), (width, 256, 128, 1), "score")
    network.save(path, INPUTS, {"score": ["n", 1]})
