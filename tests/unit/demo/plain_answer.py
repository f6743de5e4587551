"""Answers from the demo's files alone: pyarrow, NumPy and onnxruntime, read as binding.toml says. Shares no code with demo/, training/ or serving."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pyarrow.parquet as pq

from demo.files import DemoFiles

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class Answer:
    """Creator rows, best similarity first, with the ranker's scores."""

    rows: np.ndarray
    similarities: np.ndarray
    scores: np.ndarray

    def by_score(self) -> np.ndarray:
        return self.rows[np.argsort(-self.scores, kind="stable")]


class PlainAnswers:
    """The two stages without index, compiled graph or cleverness. Similarity is the inner product: that is what the embeddings were trained for."""

    def __init__(self, files: DemoFiles) -> None:
        self.creators = pq.read_table(files.creators).to_pydict()
        self.users = pq.read_table(files.users).to_pydict()
        self.binding = tomllib.loads(files.binding.read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(files.ranker), options, providers=["CPUExecutionProvider"])
        self.creator_rows = {creator_id: row for row, creator_id in enumerate(self.creators["creator_id"])}
        self.user_rows = {user_id: row for row, user_id in enumerate(self.users["user_id"])}
        self.embeddings = np.array(self.creators["embedding"], np.float32)
        self._stored = {}

    def answer(self, user_id: str, market: str = "", context: dict | None = None, count: int = 200) -> Answer:
        user = self.user_rows[user_id]
        similarities = self.similarities(user).copy()
        similarities[[row for row, there in enumerate(self._available(market)) if not there]] = -np.inf
        similarities[[self.creator_rows[i] for i in self.users["followed"][user]]] = -np.inf
        rows = np.argsort(-similarities, kind="stable")[:count]
        return Answer(rows, similarities[rows], self.score(user, rows, context or {}))

    def similarities(self, user: int) -> np.ndarray:
        return self.embeddings @ np.array(self.users["embedding"][user], np.float32)

    def score(self, user: int, rows: np.ndarray, context: dict) -> np.ndarray:
        return self.run(self.feed(user, rows, context))

    def feed(self, user: int, rows: np.ndarray, context: dict) -> dict[str, np.ndarray]:
        return {given.name: self._input(given, user, rows, context) for given in self.session.get_inputs()}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        weights = self.binding.get("objective") or {self.binding["output"]: 1.0}
        heads = self.session.run(list(weights), feed)
        return sum(np.float32(weight) * head.reshape(-1) for weight, head in zip(weights.values(), heads, strict=True))

    def _available(self, market: str) -> list[bool]:
        if market not in self._stored:
            self._stored[market] = [markets is None or not market or market in markets for markets in self.creators["markets"]]
        return self._stored[market]

    def _input(self, given: onnxruntime.NodeArg, user: int, rows: np.ndarray, context: dict) -> np.ndarray:
        spec = self.binding["inputs"][given.name]
        if "length" in spec:
            return self._sequence(spec["columns"][0], user, spec["length"])
        count = len(rows) if spec["per"] == "candidate" else 1
        parts = [self._column(name, user, rows, context) for name in spec["columns"]]
        blocks = [np.broadcast_to(block, (count, block.shape[1])) for block in (part.reshape(len(part), -1) for part in parts)]
        return np.hstack(blocks).astype(_TYPES[given.type])

    def _column(self, name: str, user: int, rows: np.ndarray, context: dict) -> np.ndarray:
        if name == "retrieval.similarity":
            return self.similarities(user)[rows]
        side, column = name.split(".", 1)
        if side == "context":
            return np.array([self._value(name, context.get(column))])
        if side == "user":
            return np.array([self._value(name, self.users[column][user])])
        return self._creator_column(name)[rows]

    def _creator_column(self, name: str) -> np.ndarray:
        if name not in self._stored:
            column = name.removeprefix("creator.")
            values = self.creators[column.removesuffix(".present")]
            present = column.endswith(".present")
            self._stored[name] = np.array([value is not None if present else self._value(name, value) for value in values])
        return self._stored[name]

    def _value(self, name: str, value: object) -> object:
        if value is None:
            value = self.binding["defaults"][name]
        vocabulary = self.binding["vocabularies"].get(name)
        if vocabulary is None:
            return value
        return vocabulary["first"] + vocabulary["values"].index(value) if value in vocabulary["values"] else vocabulary["unknown"]

    def _sequence(self, name: str, user: int, length: int) -> np.ndarray:
        newest = [self.creator_rows[i] for i in self.users["history"][user]][-length:]
        if name == "user.history.mask":
            return np.array([[float(place < len(newest)) for place in range(length)]], np.float32)
        vectors = np.zeros((1, length, self.embeddings.shape[1]), np.float32)
        vectors[0, : len(newest)] = self.embeddings[newest]
        return vectors
