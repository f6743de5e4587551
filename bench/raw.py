"""The raw compute of one request: an hnswlib query, a gather into one tensor, one ONNX run. Nothing else."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from bench.question import CANDIDATE_COUNT
from bench.tables import INPUT_WIDTH, USER_WIDTH, Tables
from domain.arrays import FloatArray, RowArray


def one_thread_session(tables: Tables) -> ort.InferenceSession:
    """The ranker as exported with tuned options: one thread, no pool, no spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(tables.model), options, providers=["CPUExecutionProvider"])


class RawCompute:
    """Candidates and scores of one user. Owns its buffer: one per thread; the session may be shared."""

    def __init__(self, tables: Tables, session: ort.InferenceSession) -> None:
        self._tables = tables
        self._session = session
        self._features = np.empty((CANDIDATE_COUNT, INPUT_WIDTH), np.float32)
        self._gathered = np.empty((CANDIDATE_COUNT, tables.creators.shape[1]), np.float32)

    def score(self, user_row: int) -> tuple[RowArray, FloatArray, FloatArray]:
        """(rows [500], similarities [500], scores [500]), best similarity first."""
        tables, features = self._tables, self._features
        labels, distances = tables.index.knn_query(tables.queries[user_row], k=CANDIDATE_COUNT, num_threads=1)
        rows = labels[0].view(np.int64)
        similarities = 1.0 - distances[0]
        # Into a contiguous buffer first, and "clip" since "raise" buffers: 24 us, where `features[...] = creators[rows]` takes 39.
        np.take(tables.creators, rows, axis=0, out=self._gathered, mode="clip")
        features[:, :USER_WIDTH] = tables.users[user_row]
        features[:, USER_WIDTH:-1] = self._gathered
        features[:, -1] = similarities
        (scores,) = self._session.run(["score"], {"features": features})
        return rows, similarities, scores.ravel()
