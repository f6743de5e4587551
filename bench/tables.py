"""What a plain server keeps in memory, opened from the bundle once: the index, and the features of creators and users as two matrices."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np

from bench.question import CANDIDATE_COUNT, CREATOR_FEATURES, USER_FEATURES
from bundle.open import open_creators, open_users
from domain.arrays import FloatArray
from domain.columns import Column

USER_WIDTH = 64 + len(USER_FEATURES)
CREATOR_WIDTH = 64 + len(CREATOR_FEATURES)
INPUT_WIDTH = USER_WIDTH + CREATOR_WIDTH + 1


@dataclass(frozen=True, slots=True)
class Tables:
    """Read-only after opening, safe to share between threads.

    index: labels are rows, effort set. queries: float32 [U, padded], normalised and zero-padded. users: float32 [U, 80] and
    creators: float32 [N, 96], each the embedding as given followed by the features. user_rows: user id -> row. model: the ranker as exported.
    """

    index: hnswlib.Index
    queries: FloatArray
    users: FloatArray
    creators: FloatArray
    creator_ids: list[str]
    user_rows: dict[str, int]
    model: Path


def open_tables(bundle: Path) -> Tables:
    """Open the same index file with the same effort as the engine does. The tables are copied into memory, as a plain server would."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    creators, users = open_creators(bundle), open_users(bundle)
    assert users is not None, "the benchmark's bundles list users"
    description = manifest["indexes"]["default"]
    padded = int(description["padded_dimension_count"])
    index = hnswlib.Index(space="ip", dim=padded)
    index.load_index(str(bundle / "indexes/default/hnsw.bin"), max_elements=len(creators))
    index.set_ef(max(int(description["ef"]), CANDIDATE_COUNT))
    index.set_num_threads(1)
    return Tables(
        index=index,
        queries=_queries(users.embeddings, padded),
        users=_matrix(users.embeddings, [users.columns[name] for name in USER_FEATURES]),
        creators=_matrix(creators.embeddings, [creators.columns[name] for name in CREATOR_FEATURES]),
        creator_ids=[i.decode() for i in creators.ids.tolist()],
        user_rows={i.decode(): row for row, i in enumerate(users.ids.tolist())},
        model=bundle / "rankers/default/ranker.onnx",
    )


def _queries(embeddings: FloatArray, padded: int) -> FloatArray:
    """Normalised queries, zero-padded to the width of the index."""
    queries = np.zeros((len(embeddings), padded), np.float32)
    queries[:, : embeddings.shape[1]] = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return queries


def _matrix(embeddings: FloatArray, columns: list[Column]) -> FloatArray:
    """Embedding and features side by side, one C-contiguous row per creator or user."""
    return np.column_stack([embeddings, *(column.values.astype(np.float32) for column in columns)]).astype(np.float32, order="C")
