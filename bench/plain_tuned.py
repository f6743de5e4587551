"""The plain server, tuned: sync gRPC with four threads, one ONNX thread, features assembled in NumPy into buffers that are kept.

What a good engineer would write in an afternoon with the usual advice at hand. It has no checks, logs or metrics.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np

from bench.raw import RawCompute, one_thread_session
from bench.tables import Tables, open_tables
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import recommendation_service_pb2_grpc as services

THREAD_COUNT = 4


class TunedPlainServer(services.RecommendationServiceServicer):
    """Answers from the tables; each thread has a buffer of its own."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._session = one_thread_session(tables.model)
        self._of_thread = threading.local()

    def RecommendCreators(self, request: pb.RecommendCreatorsRequest, context: grpc.ServicerContext) -> pb.RecommendCreatorsResponse:  # noqa: N802 - gRPC's name
        """The page of one listed user."""
        user_row = self._tables.user_rows.get(request.user.user_id)
        if user_row is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such user")
        rows, similarities, scores = self._compute().score(user_row)
        count = request.page_size
        top = np.argpartition(scores, -count)[-count:]
        top = top[np.argsort(-scores[top])]
        ids, recommendation = self._tables.creator_ids, pb.Recommendation
        listed = zip(rows[top].tolist(), scores[top].tolist(), similarities[top].tolist(), strict=True)
        return pb.RecommendCreatorsResponse(
            request_id=request.request_id,
            recommendations=[recommendation(creator_id=ids[row], score=score, similarity=similarity) for row, score, similarity in listed],
        )

    def _compute(self) -> RawCompute:
        compute: RawCompute | None = getattr(self._of_thread, "compute", None)
        if compute is None:
            compute = self._of_thread.compute = RawCompute(self._tables, self._session)
        return compute


def main(bundle: str, port: str, ranker: str) -> None:
    """Serve until killed."""
    server = grpc.server(ThreadPoolExecutor(THREAD_COUNT))
    services.add_RecommendationServiceServicer_to_server(TunedPlainServer(open_tables(Path(bundle), ranker)), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
