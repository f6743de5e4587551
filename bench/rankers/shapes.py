"""Every ranker that can be measured, by the name that options take. The speed-ups are those that the issue of folding asks for."""

from __future__ import annotations

from bench.rankers import attention, crosses, ids, mlp, trees, two_towers
from bench.rankers.shape import Shape

SHAPES = {
    "mlp": Shape("concatenated MLP", (mlp.FEATURES,), mlp.write_mlp, least_speedup=1.3, least_narrowed=2.0),
    "two-towers": Shape("two towers + cross MLP", two_towers.INPUTS, two_towers.write_two_towers, least_speedup=4.0),
    "dcn": Shape("DCN-v2", (mlp.FEATURES,), crosses.write_cross_network),
    "deepfm": Shape("DeepFM", (crosses.IDS, crosses.NUMBERS), crosses.write_factorisation_machine),
    "attention": Shape("attention over the user's history", attention.INPUTS, attention.write_attention, least_speedup=10.0),
    "batch-norm": Shape("MLP with BatchNorm and Dropout", (mlp.FEATURES,), mlp.write_normalised),
    "heads": Shape("experts and three heads (MMoE)", (mlp.FEATURES,), mlp.write_heads, heads=mlp.HEADS),
    "ids": Shape("MLP with embeddings of ids", ids.INPUTS, ids.write_ids),
    "trees": Shape("boosted trees", (mlp.FEATURES,), trees.write_trees),
}
