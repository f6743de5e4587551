"""A small seeded world for the measurements behind docs/adr: clustered vectors, an hnswlib index over them, a ranker with random weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from domain.arrays import FloatArray, RowArray

DIMENSION_COUNT = 64
FEATURE_COUNT = 32
CANDIDATE_COUNT = 200
PAGE_SIZE = 50
USER_COUNT = 1_000


def clustered(generator: np.random.Generator, count: int, cluster_count: int = 200) -> FloatArray:
    """Unit vectors [count, 64] around random centres, like embeddings of creators that fall into scenes."""
    centres = generator.standard_normal((cluster_count, DIMENSION_COUNT))
    vectors = centres[generator.integers(0, cluster_count, count)] + 0.7 * generator.standard_normal((count, DIMENSION_COUNT))
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def build_index(vectors: FloatArray, path: Path) -> None:
    """Writes an index (M 16, construction effort 100) whose labels are rows."""
    index = hnswlib.Index("ip", DIMENSION_COUNT)
    index.init_index(len(vectors), ef_construction=100, M=16, random_seed=100)
    index.add_items(vectors, np.arange(len(vectors)))
    index.save_index(str(path))


def open_index(path: Path, count: int) -> Any:
    """The index with one thread per search; the search effort is steered through k, as the service does."""
    index = hnswlib.Index("ip", DIMENSION_COUNT)
    index.load_index(str(path), max_elements=count)
    index.set_ef(10)
    index.set_num_threads(1)
    return index


def write_ranker(generator: np.random.Generator, path: Path) -> None:
    """Writes a 193-256-128-1 perceptron with random weights over [user, creator, creator features, similarity]."""
    widths = (2 * DIMENSION_COUNT + FEATURE_COUNT + DIMENSION_COUNT // 2 + 1, 256, 128, 1)
    nodes, tensors, last = [], [], "features"
    for layer, (wide, narrow) in enumerate(itertools.pairwise(widths)):
        weight = (generator.standard_normal((wide, narrow)) / np.sqrt(wide)).astype(np.float32)
        tensors += [numpy_helper.from_array(weight, f"w{layer}"), numpy_helper.from_array(np.zeros(narrow, np.float32), f"b{layer}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"h{layer}"]))
        last = f"h{layer}"
        if layer < len(widths) - 2:
            nodes.append(helper.make_node("Relu", [last], [f"r{layer}"]))
            last = f"r{layer}"
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", widths[0]])]
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, "ranker", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def open_ranker(path: Path) -> onnxruntime.InferenceSession:
    """The ranker on one thread, without spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class World:
    """One recommender without any transport: `recommend(user)` gives the best creators of one of the users."""

    vectors: FloatArray
    features: FloatArray
    users: FloatArray
    user_features: FloatArray
    index: Any
    session: onnxruntime.InferenceSession

    def recommend(self, user: int) -> tuple[RowArray, FloatArray]:
        """Rows int64 [50] and scores float32 [50], best first."""
        query = self.users[user]
        labels, distances = self.index.knn_query(query, k=CANDIDATE_COUNT)
        rows = labels[0].astype(np.int64)
        batch = np.empty((len(rows), 2 * DIMENSION_COUNT + self.features.shape[1] + self.user_features.shape[1] + 1), np.float32)
        batch[:, :64] = query
        batch[:, 64:96] = self.user_features[user]
        batch[:, 96:160] = self.vectors[rows]
        batch[:, 160:192] = self.features[rows]
        batch[:, 192] = 1.0 - distances[0]
        scores = self.session.run(None, {"features": batch})[0].reshape(-1)
        best = np.argsort(-scores, kind="stable")[:PAGE_SIZE]
        return rows[best], scores[best]


def write_world(directory: Path, creator_count: int, seed: int = 1) -> None:
    """Everything that servers load, as files."""
    generator = np.random.default_rng(seed)
    both = clustered(generator, creator_count + USER_COUNT)
    np.save(directory / "vectors.npy", both[:creator_count])
    np.save(directory / "users.npy", both[creator_count:])
    np.save(directory / "features.npy", generator.standard_normal((creator_count, FEATURE_COUNT)).astype(np.float32))
    np.save(directory / "user_features.npy", generator.standard_normal((USER_COUNT, DIMENSION_COUNT // 2)).astype(np.float32))
    build_index(both[:creator_count], directory / "hnsw.bin")
    write_ranker(generator, directory / "ranker.onnx")


def open_world(directory: Path) -> World:
    """Opens what `write_world` wrote, session included: call it after any fork."""
    vectors = np.load(directory / "vectors.npy", mmap_mode="r")
    return World(
        vectors,
        np.load(directory / "features.npy", mmap_mode="r"),
        np.load(directory / "users.npy"),
        np.load(directory / "user_features.npy"),
        open_index(directory / "hnsw.bin", len(vectors)),
        open_ranker(directory / "ranker.onnx"),
    )
