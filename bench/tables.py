"""What a plain server keeps in memory, opened from the bundle once: the index, and the columns that the ranker reads as matrices."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import hnswlib
import numpy as np

from bench.assembly import Layout, lay_out
from bench.question import CANDIDATE_COUNT
from bench.rankers.shapes import SHAPES
from bundle.open import open_creators, open_users
from domain.arrays import FloatArray
from retrieval.hnsw_layout import rewrite, vectors_of


@dataclass(frozen=True, slots=True)
class Tables:
    """Read-only after opening, safe to share between threads.

    index: labels are rows, effort set. queries: float32 [U, padded], normalised and zero-padded. layouts: how the inputs of the ranker are assembled.
    user_rows: user id -> row. model: the ranker as exported, of which `output` is the score.
    """

    index: hnswlib.Index
    queries: FloatArray
    layouts: tuple[Layout, ...]
    creator_ids: list[str]
    user_rows: dict[str, int]
    model: Path
    output: str


def open_tables(bundle: Path, ranker: str) -> Tables:
    """Open the same graph with the same effort as the engine does, and what the ranker (a key of SHAPES, with a single output) reads.

    The elements of the graph lie as hnswlib leaves them when a catalogue is added to it, the model as it was exported: what the build makes of both
    belongs to Earshot. The columns are copied into memory, as a plain server would."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    creators, users = open_creators(bundle), open_users(bundle)
    assert users is not None, "the benchmark's bundles list users"
    description = manifest["indexes"]["default"]
    padded = int(description["padded_dimension_count"])
    index = hnswlib.Index(space="ip", dim=padded)
    index.load_index(str(_as_added(bundle)), max_elements=len(creators))
    index.set_ef(max(int(description["ef"]), CANDIDATE_COUNT))
    index.set_num_threads(1)
    (output,) = SHAPES[ranker].heads
    return Tables(
        index=index,
        queries=_queries(users.embeddings, padded),
        layouts=lay_out(SHAPES[ranker].inputs, creators, users),
        creator_ids=[i.decode() for i in creators.ids.tolist()],
        user_rows={i.decode(): row for row, i in enumerate(users.ids.tolist())},
        model=bundle / "rankers/default/ranker.onnx",
        output=output,
    )


def _as_added(bundle: Path) -> Path:
    """The bundle's index with its elements in the order of the catalogue, beside the bundle; made once."""
    checksum = json.loads((bundle / "manifest.json").read_text())["checksum"]
    path, added = bundle / "indexes/default/hnsw.bin", bundle.parent / f"hnsw-{checksum[:16]}.bin"
    if not added.exists():
        partial = added.with_suffix(f".{os.getpid()}")
        rewrite(path, partial, np.argsort(vectors_of(path)[1], kind="stable"))
        partial.rename(added)
    return added


def _queries(embeddings: FloatArray, padded: int) -> FloatArray:
    """Normalised queries, zero-padded to the width of the index."""
    queries = np.zeros((len(embeddings), padded), np.float32)
    queries[:, : embeddings.shape[1]] = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return queries
