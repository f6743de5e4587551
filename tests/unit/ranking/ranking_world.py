"""A small catalogue with a column of every kind, users to go with it, and models made on the spot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from domain.candidates import Candidates, Ranked, Source
from domain.columns import Column, ColumnKind, ColumnMeaning, ColumnSpec, Creators
from domain.deadline import Deadline
from domain.progress import SILENT
from domain.request import User
from ranking.binding import Binding, read_binding
from ranking.compile import CompileOptions, RankerSource, compile_ranker
from ranking.onnx_ranker import OnnxRanker
from ranking.open import open_ranker
from ranking.plan import RankerDescription
from ranking.reference import Reference

MODELS = Path(__file__).parents[2] / "models"
NEVER = Deadline.never(lambda: 0.0)
COUNT, DIMENSIONS = 300, 8
GENRES = ("rock", "jazz", "folk", "techno")


def scalar(name: str, values: np.ndarray, present: np.ndarray | None = None, meaning: ColumnMeaning = ColumnMeaning.NUMBER) -> Column:
    return Column(ColumnSpec(name, ColumnKind.SCALAR, values.dtype.name, 1, meaning), values, None, present)


def sequence(name: str, rows: list[list[float]], dtype: str, present: np.ndarray | None = None) -> Column:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    flat = np.array([v for r in rows for v in r], dtype)
    return Column(ColumnSpec(name, ColumnKind.SEQUENCE, dtype, 0), flat, offsets, present)


def make_creators(seed: int = 3) -> Creators:
    """300 creators whose id order is not their row order."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"c{i}".encode() for i in rng.permutation(COUNT)])
    id_order = np.argsort(ids, kind="stable").astype(np.int64)
    id_ranks = np.empty_like(id_order)
    id_ranks[id_order] = np.arange(COUNT)
    embeddings = rng.normal(size=(COUNT, DIMENSIONS)).astype(np.float32)
    present = rng.random(COUNT) < 0.7
    columns = [
        scalar("quality", rng.normal(size=COUNT)),
        scalar("followers", rng.integers(0, 1000, COUNT)),
        scalar("token", rng.integers(2**60, 2**62, COUNT)),
        scalar("small", rng.integers(0, 100, COUNT).astype(np.int16)),
        scalar("active", rng.random(COUNT) < 0.5),
        scalar("rare", np.where(present, rng.normal(size=COUNT), 0.0).astype(np.float32), present),
        scalar("genre", rng.integers(0, 4, COUNT), meaning=ColumnMeaning.CATEGORY),
        scalar("create_time", rng.integers(1_500_000_000, 1_700_000_000, COUNT), meaning=ColumnMeaning.TIME),
        Column(ColumnSpec("mood", ColumnKind.VECTOR, "float32", 3), rng.normal(size=(COUNT, 3)).astype(np.float32)),
        sequence("topics", [rng.integers(1, 50, k).tolist() for k in rng.integers(0, 7, COUNT)], "int64"),
        sequence("plays", [[] if not p else rng.normal(size=4).tolist() for p in present], "float32", present),
    ]
    by_name = {c.spec.name: c for c in columns}
    return Creators(ids, id_order, id_ranks, embeddings, np.linalg.norm(embeddings, axis=1), by_name, None, (), None, None)


def make_user(seed: int = 4, features: dict[str, object] | None = None, context: dict[str, object] | None = None) -> User:
    embedding = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return User("someone", embedding, features or {}, {"as_of_time": np.int64(1_700_000_123), **(context or {})})


def make_candidates(count: int, seed: int = 5, similarities: np.ndarray | None = None) -> Candidates:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(COUNT)[:count].astype(np.int64)
    found = np.sort(rng.uniform(-1, 1, count))[::-1].astype(np.float32) if similarities is None else similarities
    return Candidates.of(rows, np.ascontiguousarray(found), Source.INDEX)


ELEMENTS = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "float16": TensorProto.FLOAT16,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
} | {f"{u}int{b}": getattr(TensorProto, f"{u}int{b}".upper()) for u in ("", "u") for b in (8, 16, 32, 64)}


def value(name: str, dtype: str, shape: list[object]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, ELEMENTS[dtype], shape)


def model_of(
    nodes: list[onnx.NodeProto], inputs: list, outputs: list, constants: dict[str, np.ndarray] | None = None, opset: int = 17
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(nodes, "ranker", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8)


def weighing(dtype: str = "float32", width: int = 1, shape: list[object] | None = None, name: str = "x") -> onnx.ModelProto:
    """score = x . (1, 2, 3, ...) in float64, of an input of any type: every column shows, and integers up to 2^53 stay exact."""
    weights = np.arange(1.0, width + 1)[:, None]
    nodes = [
        helper.make_node("Cast", [name], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Reshape", ["wide", "rows_of_width"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "weights"], ["score64"]),
        helper.make_node("Cast", ["score64"], ["score"], to=TensorProto.FLOAT),
    ]
    constants = {"weights": weights, "rows_of_width": np.array([-1, width])}
    return model_of(nodes, [value(name, dtype, ["n", width] if shape is None else shape)], [value("score", "float32", ["n", 1])], constants)


def binding_text(columns: str, per: str = "candidate", extra: str = "", name: str = "x", rest: str = "") -> str:
    return f'version = 1\noutput = "score"\n[inputs.{name}]\nper = "{per}"\ncolumns = [{columns}]\n{extra}\n{rest}'


@dataclass
class Compiled:
    """A compiled ranker with its slow reference."""

    ranker: OnnxRanker
    description: RankerDescription
    binding: Binding
    directory: Path
    creators: Creators
    widths: dict[str, int]

    def rank(self, user: User, candidates: Candidates, top_count: int = 10, objective: dict[str, float] | None = None) -> Ranked:
        return self.ranker.rank(user, candidates, top_count, objective or {}, NEVER)

    def reference(self, user: User, candidates: Candidates) -> np.ndarray:
        slow = Reference(self.directory / "ranker.onnx", self.binding, self.creators, self.widths)
        return slow.scores(user, candidates.rows, candidates.similarities)

    def agrees(self, user: User, candidates: Candidates) -> bool:
        return bool(np.allclose(self.rank(user, candidates).scores, self.reference(user, candidates), rtol=1e-5, atol=1e-5, equal_nan=True))


def compile_model(
    folder: Path,
    model: onnx.ModelProto | Path,
    binding: str | None,
    user_columns: tuple[ColumnSpec, ...] = (),
    creators: Creators | None = None,
    options: CompileOptions | None = None,
) -> Compiled:
    """Write what a team would bring, compile it, open it. Folded wherever that can be proved, as if always faster, unless `options` say otherwise."""
    creators = creators or make_creators()
    path = model if isinstance(model, Path) else folder / "model.onnx"
    if not isinstance(model, Path):
        onnx.save(model, path)
    given = None
    if binding is not None:
        given = folder / "binding.toml"
        given.write_text(binding)
    directory = folder / "rankers"
    directory.mkdir()
    read = read_binding(path, given)
    description = compile_ranker(RankerSource(path, read, creators, user_columns), directory, SILENT, options)
    widths = {f"{side}.{s.name}": s.width for side, specs in (("user", description.user), ("context", description.context)) for s in specs}
    stored = json.loads(json.dumps(description.to_json(), sort_keys=True))  # as a manifest brings it back
    return Compiled(open_ranker(directory, stored, creators), description, read, directory, creators, widths)
