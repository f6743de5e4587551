"""Boosted trees as LightGBM's are exported: one operator that reads a row, which nothing can be taken out of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.rankers.mlp import FEATURES
from bench.rankers.network import Network

TREE_COUNT, DEPTH = 200, 5
INNER_COUNT = 2**DEPTH - 1
NODE_COUNT = 2 ** (DEPTH + 1) - 1


def write_trees(path: Path, rng: np.random.Generator) -> None:
    """200 complete trees of 32 leaves over `features` [n, 177] -> `score` [n, 1]."""
    network = Network(rng)
    trees, nodes = np.divmod(np.arange(TREE_COUNT * NODE_COUNT), NODE_COUNT)
    inner = nodes < INNER_COUNT
    children = np.where(inner, 2 * nodes + 1, 0)  # numbered level by level, as in a heap
    leaves = np.flatnonzero(~inner)
    network.add(
        "TreeEnsembleRegressor",
        ["features"],
        "score",
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=trees.tolist(),
        nodes_nodeids=nodes.tolist(),
        nodes_featureids=np.where(inner, rng.integers(0, FEATURES.width, len(nodes)), 0).tolist(),
        nodes_modes=np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        nodes_values=np.where(inner, rng.standard_normal(len(nodes)), 0.0).tolist(),
        nodes_truenodeids=children.tolist(),
        nodes_falsenodeids=np.where(inner, children + 1, 0).tolist(),
        target_ids=[0] * len(leaves),
        target_treeids=trees[leaves].tolist(),
        target_nodeids=nodes[leaves].tolist(),
        target_weights=(0.05 * rng.standard_normal(len(leaves))).tolist(),
    )
    network.save(path, [FEATURES], {"score": ["n", 1]})
