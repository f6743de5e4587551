"""The raw compute of one request: an hnswlib query, a gather into the model's tensors, one ONNX run. Nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from bench.assembly import Ask, Assembler
from bench.question import CANDIDATE_COUNT
from bench.tables import Tables
from domain.arrays import FloatArray, RowArray


def one_thread_session(model: Path) -> ort.InferenceSession:
    """The ranker as exported with tuned options: one thread, no pool, no spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


class RawCompute:
    """Candidates and scores of one user. Owns its buffers: one per thread; the session may be shared."""

    def __init__(self, tables: Tables, session: ort.InferenceSession) -> None:
        self._tables = tables
        self._session = session
        self._assembler = Assembler(tables.layouts)
        self._outputs = [tables.output]

    def score(self, user_row: int) -> tuple[RowArray, FloatArray, FloatArray]:
        """(rows [500], similarities [500], scores [500]), best similarity first."""
        tables = self._tables
        labels, distances = tables.index.knn_query(tables.queries[user_row], k=CANDIDATE_COUNT, num_threads=1)
        rows = labels[0].view(np.int64)
        similarities = 1.0 - distances[0]
        (scores,) = self._session.run(self._outputs, self._assembler.feeds(Ask(user_row, rows, similarities)))
        return rows, similarities, scores.ravel()
