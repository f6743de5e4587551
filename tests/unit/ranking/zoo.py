"""The zoo: a small model of each shape that folding is for, as exporters write it, with its binding, and its inputs assembled by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Creators
from domain.request import User
from tests.unit.ranking.ranking_world import make_user

USER_COLUMNS = (
    ColumnSpec("age", ColumnKind.SCALAR, "float32"),
    ColumnSpec("history", ColumnKind.SEQUENCE, "int64", 0, ColumnMeaning.CREATOR),
)
LENGTH = 6
Feeds = dict[str, np.ndarray]


@dataclass(frozen=True)
class Question:
    """Who asks, and about whom. history: rows of creators, oldest first."""

    user: User
    history: np.ndarray
    creators: Creators
    rows: np.ndarray
    similarities: np.ndarray

    @classmethod
    def of(cls, seed: int, creators: Creators, rows: np.ndarray, similarities: np.ndarray) -> Question:
        rng = np.random.default_rng(seed)
        history = rng.integers(0, len(creators), rng.integers(0, 10))
        features = {"age": np.float32(rng.normal()), "history": history}
        user = make_user(seed, features, {"hour": np.float32(rng.normal()), "country": np.int64(rng.integers(0, 3))})
        return cls(user, history, creators, rows, similarities)

    def every(self, *values: object) -> np.ndarray:
        """What the request has, in every row: [n, width]."""
        return np.repeat(np.concatenate([np.atleast_1d(v) for v in values])[None], len(self.rows), axis=0)

    def creator(self, name: str) -> np.ndarray:
        """A column of the candidates."""
        return np.asarray(self.creators.columns[name].values)[self.rows]

    @property
    def user_side(self) -> np.ndarray:
        return self.every(self.user.embedding, self.user.features["age"]).astype(np.float32)

    @property
    def creator_embeddings(self) -> np.ndarray:
        return np.asarray(self.creators.embeddings)[self.rows]

    @property
    def creator_side(self) -> np.ndarray:
        return np.column_stack([self.creator_embeddings, self.creator("quality"), self.creator("mood")]).astype(np.float32)

    @property
    def hour(self) -> np.ndarray:
        return self.every(self.user.context["hour"]).astype(np.float32)

    @property
    def country(self) -> np.ndarray:
        return self.every(self.user.context["country"])[:, 0]

    @property
    def numbers(self) -> np.ndarray:
        return np.column_stack([self.user_side[:, 8], self.creator("quality"), self.similarities]).astype(np.float32)


@dataclass(frozen=True)
class ZooModel:
    """files: the same function as written by several exporters. score: the model's outputs by name -> [n]."""

    files: tuple[str, ...]
    binding: str
    feeds: Callable[[Question], Feeds]
    score: Callable[[Feeds], np.ndarray] = lambda outputs: outputs["score"].reshape(-1)


def both(name: str) -> tuple[str, ...]:
    """As torch's two exporters wrote it."""
    return f"zoo_{name}_script", f"zoo_{name}_dynamo"


def binding(inputs: dict[str, list[str]], output: str = 'output = "score"', rest: str = "") -> str:
    """Inputs with a row per candidate; whatever else there is comes in `rest`."""
    listed = "\n".join(f'[inputs.{name}]\nper = "candidate"\ncolumns = {columns}'.replace("'", '"') for name, columns in inputs.items())
    return f"version = 1\n{output}\n{listed}\n{rest}"


USER = ["user.embedding", "user.age"]
CREATOR = ["creator.embedding", "creator.quality", "creator.mood"]
NUMBERS = ["user.age", "creator.quality", "retrieval.similarity"]
SIDES = {"user": USER, "creator": CREATOR, "context": ["context.hour"]}
MATRIX = {"features": [*USER, *CREATOR, "context.hour"]}
MATRIX_WITH_SIMILARITY = {"features": [*MATRIX["features"], "retrieval.similarity"]}
HISTORY = f"""
[inputs.history]
per = "request"
columns = ["user.history.creator.embedding"]
length = {LENGTH}
[inputs.history_mask]
per = "request"
columns = ["user.history.mask"]
length = {LENGTH}
"""
COUNTRY = """
[vocabularies]
"context.country" = { values = ["SE", "GB"], first = 1, unknown = 0 }
"""
WIDE = {"features": [*USER, "creator.embedding", "creator.quality", "creator.small", "context.hour", "retrieval.similarity"]}


def sides(q: Question) -> Feeds:
    return {"user": q.user_side, "creator": q.creator_side, "context": q.hour}


def matrix(q: Question) -> Feeds:
    return {"features": np.hstack([q.user_side, q.creator_side, q.hour])}


def matrix_with_similarity(q: Question) -> Feeds:
    return {"features": np.column_stack([q.user_side, q.creator_side, q.hour, q.similarities])}


def wide(q: Question) -> Feeds:
    columns = [q.user_side, q.creator_embeddings, q.creator("quality"), q.creator("small"), q.hour, q.similarities]
    return {"features": np.column_stack(columns).astype(np.float32)}


def heard(q: Question) -> Feeds:
    newest = q.history[-LENGTH:]
    history, mask = np.zeros((1, LENGTH, 8), np.float32), np.zeros((1, LENGTH), np.float32)
    history[0, : len(newest)] = np.asarray(q.creators.embeddings)[newest]
    mask[0, : len(newest)] = 1.0
    return {"creator": q.creator_embeddings, "history": history, "history_mask": mask}


def heard_in_every_row(q: Question) -> Feeds:
    return {name: value if name == "creator" else np.repeat(value, len(q.rows), axis=0) for name, value in heard(q).items()}


def ids(q: Question) -> Feeds:
    return {"ids": np.column_stack([q.country, q.creator("genre"), q.creator("small")]).astype(np.int64), "numbers": q.numbers}


def separate_ids(q: Question) -> Feeds:
    return {"country": q.country, "genre": q.creator("genre"), "size": q.creator("small").astype(np.int64)[:, None], "numbers": q.numbers}


def weighed_heads(outputs: Feeds) -> np.ndarray:
    return outputs["p_follow"] + np.float32(0.3) * outputs["p_stream"][:, 0] + np.float32(0.1) * outputs["mood"][:, 2]


ZOO = {
    "concatenated MLP": ZooModel(
        both("concat_mlp"),
        binding({**SIDES, "similarity": ["retrieval.similarity"]}),
        lambda q: {**sides(q), "similarity": q.similarities[:, None]},
    ),
    "two towers + cross MLP": ZooModel(both("two_towers_cross"), binding(SIDES), sides),
    "two towers out of one matrix": ZooModel(both("two_towers_sliced"), binding(MATRIX), matrix),
    "DCN-v2": ZooModel(both("cross_network"), binding(MATRIX), matrix),
    "DeepFM": ZooModel(
        both("deep_fm"), binding({"ids": ["context.country", "creator.genre", "creator.small"], "numbers": NUMBERS}, rest=COUNTRY), ids
    ),
    "attention over the history": ZooModel(
        both("history_attention"),
        binding({"user": USER, "creator": ["creator.embedding"]}, rest=HISTORY),
        lambda q: {"user": q.user_side, **heard(q)},
    ),
    "attention of several heads": ZooModel(both("history_heads"), binding({"creator": ["creator.embedding"]}, rest=HISTORY), heard),
    "attention over pairs (DIN)": ZooModel(
        both("history_pairs"), binding({"creator": ["creator.embedding"]}, rest=HISTORY.replace('"request"', '"candidate"')), heard_in_every_row
    ),
    "interleaved pieces, gates, experts": ZooModel(both("interleaved"), binding(SIDES), sides),
    "BatchNorm and Dropout": ZooModel(both("batch_norm"), binding(MATRIX_WITH_SIMILARITY), matrix_with_similarity),
    "several heads": ZooModel(
        both("heads"), binding(MATRIX, 'objective = { p_follow = 1.0, p_stream = 0.3, "mood[2]" = 0.1 }'), matrix, weighed_heads
    ),
    "embeddings of ids": ZooModel(
        both("id_embeddings"),
        binding({"country": ["context.country"], "genre": ["creator.genre"], "size": ["creator.small"], "numbers": NUMBERS}, rest=COUNTRY),
        separate_ids,
    ),
    "scikit-learn": ZooModel(("sklearn_mlp",), binding(WIDE, 'output = "variable"'), wide, lambda outputs: outputs["variable"].reshape(-1)),
    "scikit-learn, a class of three": ZooModel(
        ("sklearn_three_classes",), binding(WIDE, 'output = "probabilities[2]"'), wide, lambda outputs: outputs["probabilities"][:, 2]
    ),
    "LightGBM": ZooModel(("lightgbm_regressor",), binding(WIDE, 'output = "variable"'), wide, lambda outputs: outputs["variable"].reshape(-1)),
}
