"""Seeded worlds for tests: parquet and ONNX files as a team would bring them, each with an independent way to assemble the ranker's inputs.

`World.feeds` knows nothing of Earshot: it reads the columns as they were generated, so a reference answer is plain NumPy and onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

Feeds = Callable[[int, np.ndarray, np.ndarray], dict[str, np.ndarray]]


@dataclass
class World:
    """Files on disk, and the data they were made of.

    feeds(user, rows, similarities): the inputs of the exported ranker for these creators. followed: per user, creator rows.
    """

    directory: Path
    creator_ids: list[str]
    user_ids: list[str]
    creator_embeddings: np.ndarray
    user_embeddings: np.ndarray
    feeds: Feeds
    followed: list[list[int]]
    space: str = "cosine"
    combine: Callable[[list[np.ndarray]], np.ndarray] = lambda outputs: outputs[0].reshape(-1)
    has_binding: bool = True

    @property
    def build_arguments(self) -> list[str]:
        """Arguments of `earshot build`, all but --out."""
        files = ["--creators", "creators.parquet", "--users", "users.parquet", "--ranker", "ranker.onnx"]
        files += ["--binding", "binding.toml"] if self.has_binding else []
        paths = [part if part.startswith("--") else str(self.directory / part) for part in files]
        return [*paths, "--space", self.space]

    def similarities(self, user: int) -> np.ndarray:
        """Similarity of every creator to one user, computed in float64."""
        creators, query = self.creator_embeddings.astype(np.float64), self.user_embeddings[user].astype(np.float64)
        products = creators @ query
        if self.space == "cosine":
            products /= np.linalg.norm(creators, axis=1) * np.linalg.norm(query)
        return products

    def reference_slate(self, user: int, candidate_count: int, page_size: int) -> list[tuple[str, float]]:
        """The exact answer: best candidates by similarity over the whole catalogue, ranked by the model as exported."""
        similarities = self.similarities(user)
        allowed = np.setdiff1d(np.arange(len(self.creator_ids)), self.followed[user])
        rows = allowed[np.argsort(-similarities[allowed], kind="stable")][:candidate_count]
        scores = self.scores(user, rows, similarities[rows].astype(np.float32))
        by_score = sorted(range(len(rows)), key=lambda i: (-scores[i], self.creator_ids[rows[i]].encode()))
        return [(self.creator_ids[rows[i]], float(scores[i])) for i in by_score[:page_size]]

    def scores(self, user: int, rows: np.ndarray, similarities: np.ndarray) -> np.ndarray:
        """The scores of the model as exported."""
        if not hasattr(self, "_session"):
            self._session = ort.InferenceSession(str(self.directory / "ranker.onnx"), providers=["CPUExecutionProvider"])
        return self.combine(self._session.run(None, self.feeds(user, rows, similarities)))


def odd_ids(count: int, rng: np.random.Generator) -> list[str]:
    """Ids as they occur: mixed lengths up to 64 bytes, spaces, umlauts, slashes, numbers as text, prefixes of each other; in no order."""
    makers = [
        str,
        lambda i: f"creator:{i:06d}",
        lambda i: f"Ångström & Söner/{i}",
        lambda i: f"{i}-" + "x" * (60 - len(str(i))),
        lambda i: "0" * 3 + str(i),
        lambda i: f"音楽家{i}",
    ]
    ids = [makers[i % len(makers)](i) for i in range(count)]
    rng.shuffle(ids)
    return ids


def clustered(count: int, dimension_count: int, rng: np.random.Generator, center_seed: int = 7) -> np.ndarray:
    """Vectors around common centers, of varied norms, as trained embeddings have."""
    centers = np.random.default_rng(center_seed).normal(size=(20, dimension_count))
    vectors = centers[rng.integers(0, 20, count)] + 0.6 * rng.normal(size=(count, dimension_count))
    return (vectors * rng.uniform(0.5, 2.0, (count, 1))).astype(np.float32)


def mlp(inputs: dict[str, int], widths: list[int], rng: np.random.Generator, heads: tuple[str, ...] = ("score",)) -> onnx.ModelProto:
    """A row-wise MLP over concatenated float inputs [n, w]; one output [n, 1] per head."""
    nodes = [helper.make_node("Concat", list(inputs), ["x0"], axis=1)] if len(inputs) > 1 else [helper.make_node("Identity", list(inputs), ["x0"])]
    weights, width = [], sum(inputs.values())
    for layer, out in enumerate(widths):
        weights += [
            numpy_helper.from_array((rng.normal(size=(width, out)) / np.sqrt(width)).astype(np.float32), f"w{layer}"),
            numpy_helper.from_array(rng.normal(size=out).astype(np.float32) * 0.1, f"b{layer}"),
        ]
        nodes += [
            helper.make_node("Gemm", [f"x{layer}", f"w{layer}", f"b{layer}"], [f"h{layer}"]),
            helper.make_node("Relu", [f"h{layer}"], [f"x{layer + 1}"]),
        ]
        width = out
    for head in heads:
        weights.append(numpy_helper.from_array((rng.normal(size=(width, 1)) / np.sqrt(width)).astype(np.float32), f"w_{head}"))
        nodes.append(helper.make_node("MatMul", [f"x{len(widths)}", f"w_{head}"], [head]))
    graph = helper.make_graph(
        nodes,
        "ranker",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", w]) for name, w in inputs.items()],
        [helper.make_tensor_value_info(head, TensorProto.FLOAT, ["n", 1]) for head in heads],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def write_table(path: Path, columns: dict[str, pa.Array]) -> None:
    """One parquet file in small row groups, so that readers meet several batches."""
    pq.write_table(pa.table(columns), path, row_group_size=700)


def vectors(values: np.ndarray) -> pa.Array:
    """A list<float> column."""
    return pa.array(list(values), pa.list_(pa.float32()))


def row_wise_world(directory: Path, creator_count: int = 3000, dimension_count: int = 33, space: str = "cosine", seed: int = 11) -> World:
    """One input [n, w] that concatenates everything, odd ids, a dimension that is no multiple of 16, followed creators."""
    rng = np.random.default_rng(seed)
    creator_ids, user_ids = odd_ids(creator_count, rng), odd_ids(50, rng)
    creators, users = clustered(creator_count, dimension_count, rng), clustered(50, dimension_count, rng)
    followers = rng.integers(0, 10**6, creator_count)
    quality = rng.normal(size=creator_count)
    age = rng.integers(0, 3000, 50).astype(np.int32)
    followed = [rng.choice(creator_count, rng.integers(0, 30), replace=False).tolist() for _ in range(50)]
    write_table(
        directory / "creators.parquet",
        {
            "creator_id": pa.array(creator_ids),
            "embedding": vectors(creators),
            "followers": pa.array(followers),
            "quality": pa.array(quality),
            "name": pa.array([f"Name {i}" for i in creator_ids]),
        },
    )
    follow_ids = [[creator_ids[r] for r in rows] + ["gone"] for rows in followed]
    write_table(
        directory / "users.parquet",
        {"user_id": pa.array(user_ids), "embedding": vectors(users), "age_days": pa.array(age), "followed": pa.array(follow_ids)},
    )
    width = 2 * dimension_count + 5
    onnx.save(mlp({"features": width}, [32, 16], rng), directory / "ranker.onnx")
    (directory / "binding.toml").write_text(
        """version = 1
output = "score"
[inputs.features]
per = "candidate"
columns = ["user.embedding", "user.age_days", "creator.embedding", "creator.followers", "creator.quality", "context.hour", "retrieval.similarity"]
[defaults]
"context.hour" = 12.0
"""
    )

    def feeds(user: int, rows: np.ndarray, similarities: np.ndarray) -> dict[str, np.ndarray]:
        n = len(rows)
        parts = [
            np.tile(users[user], (n, 1)),
            np.full((n, 1), age[user]),
            creators[rows],
            followers[rows, None],
            quality[rows, None],
            np.full((n, 1), 12.0),
            similarities[:, None],
        ]
        return {"features": np.concatenate(parts, axis=1).astype(np.float32)}

    return World(directory, creator_ids, user_ids, creators, users, feeds, followed, space)


def split_world(directory: Path, creator_count: int = 2000, seed: int = 12) -> World:
    """Per-request and per-candidate inputs, int64 ids, a category, a history of creators with its mask, and two heads."""
    rng = np.random.default_rng(seed)
    dimension_count, length = 20, 6
    creator_ids, user_ids = odd_ids(creator_count, rng), odd_ids(40, rng)
    creators, users = clustered(creator_count, dimension_count, rng), clustered(40, dimension_count, rng)
    big_ids = rng.integers(2**60, 2**62, creator_count)
    countries = np.array(["SE", "GB", "FR"])[rng.integers(0, 3, 40)]
    history = [rng.choice(creator_count, rng.integers(0, 10), replace=False).tolist() for _ in range(40)]
    write_table(
        directory / "creators.parquet",
        {"creator_id": pa.array(creator_ids), "embedding": vectors(creators), "token": pa.array(big_ids)},
    )
    write_table(
        directory / "users.parquet",
        {
            "user_id": pa.array(user_ids),
            "embedding": vectors(users),
            "country": pa.array(countries.tolist()),
            "history": pa.array([[creator_ids[r] for r in rows] for rows in history], pa.list_(pa.string())),
        },
    )
    onnx.save(_split_model(dimension_count, length, rng), directory / "ranker.onnx")
    (directory / "binding.toml").write_text(
        f"""version = 1
objective = {{ p_follow = 1.0, p_stream = 0.3 }}
[inputs.user]
per = "request"
columns = ["user.embedding"]
[inputs.country]
per = "request"
columns = ["user.country"]
[inputs.history]
per = "request"
columns = ["user.history.creator.embedding"]
length = {length}
[inputs.history_mask]
per = "request"
columns = ["user.history.mask"]
length = {length}
[inputs.creator]
per = "candidate"
columns = ["creator.embedding"]
[inputs.token]
per = "candidate"
columns = ["creator.token"]
[vocabularies]
"user.country" = {{ values = ["SE", "GB"], first = 1, unknown = 0 }}
"""
    )
    codes = {"SE": 1, "GB": 2, "FR": 0}

    def feeds(user: int, rows: np.ndarray, similarities: np.ndarray) -> dict[str, np.ndarray]:
        newest = history[user][-length:]
        past = np.zeros((1, length, dimension_count), np.float32)
        mask = np.zeros((1, length), np.float32)
        past[0, : len(newest)] = creators[newest]
        mask[0, : len(newest)] = 1.0
        return {
            "user": users[user][None],
            "country": np.array([codes[countries[user]]], np.int64),
            "history": past,
            "history_mask": mask,
            "creator": creators[rows],
            "token": big_ids[rows],
        }

    def combine(outputs: list[np.ndarray]) -> np.ndarray:
        return outputs[0].reshape(-1) + 0.3 * outputs[1].reshape(-1)

    return World(directory, creator_ids, user_ids, creators, users, feeds, [[] for _ in user_ids], combine=combine)


def _split_model(dimension_count: int, length: int, rng: np.random.Generator) -> onnx.ModelProto:
    """p_follow = creator . (user + mean of the masked history); p_stream depends on the parity of an exact int64, and on the country."""
    d = dimension_count
    constants = {
        "two": np.array([2], np.int64),
        "axis1": np.array([1], np.int64),
        "w": (rng.normal(size=(d, d)) / np.sqrt(d)).astype(np.float32),
        "country_table": rng.normal(size=(3, d)).astype(np.float32),
        "minus1": np.array([1, -1], np.int64),
        "one": np.array([1.0], np.float32),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["history_mask", "axis1"], ["mask_row"]),  # [1, 1, L]
        helper.make_node("MatMul", ["mask_row", "history"], ["summed3"]),  # [1, 1, D]
        helper.make_node("Reshape", ["summed3", "minus1"], ["summed"]),  # [1, D]
        helper.make_node("ReduceSum", ["history_mask", "axis1"], ["entries"], keepdims=1),
        helper.make_node("Max", ["entries", "one"], ["entries1"]),
        helper.make_node("Div", ["summed", "entries1"], ["mean"]),
        helper.make_node("Gather", ["country_table", "country"], ["country_vector"]),
        helper.make_node("Add", ["user", "mean"], ["user_mean"]),
        helper.make_node("Add", ["user_mean", "country_vector"], ["who"]),  # [1, D]
        helper.make_node("MatMul", ["creator", "w"], ["what"]),
        helper.make_node("Mul", ["what", "who"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axis1"], ["p_follow"], keepdims=0),
        helper.make_node("Mod", ["token", "two"], ["parity"]),
        helper.make_node("Cast", ["parity"], ["parity_f"], to=TensorProto.FLOAT),
        helper.make_node("Sigmoid", ["p_follow"], ["s"]),
        helper.make_node("Add", ["parity_f", "s"], ["p_stream"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "split",
        [
            value("user", TensorProto.FLOAT, [1, d]),
            value("country", TensorProto.INT64, [1]),
            value("history", TensorProto.FLOAT, [1, length, d]),
            value("history_mask", TensorProto.FLOAT, [1, length]),
            value("creator", TensorProto.FLOAT, ["n", d]),
            value("token", TensorProto.INT64, ["n"]),
        ],
        [value("p_follow", TensorProto.FLOAT, ["n"]), value("p_stream", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def assert_same_slate(
    served: list[tuple[str, float]], expected: list[tuple[str, float]], scores_of_all: dict[str, float], tolerance: float = 1e-5
) -> None:
    """Ids in order but for neighbours within the tolerance, scores within the tolerance."""
    assert len(served) == len(expected)
    assert len({creator_id for creator_id, _ in served}) == len(served)
    for (got_id, got), (_, wanted) in zip(served, expected, strict=True):
        allowed = tolerance * max(1.0, abs(wanted))
        assert abs(got - wanted) <= allowed, (got_id, got, wanted)
        assert abs(scores_of_all[got_id] - wanted) <= 2 * allowed, (got_id, scores_of_all[got_id], wanted)
