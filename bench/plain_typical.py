"""The plain server, typical: grpc.aio, the work in an executor, features assembled in NumPy, onnxruntime as it comes.

What most services of this kind look like. It has no checks, logs or metrics.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc.aio
import numpy as np
import onnxruntime as ort

from bench.assembly import Ask, Block, sent
from bench.question import CANDIDATE_COUNT
from bench.tables import Tables, open_tables
from domain.arrays import AnyArray
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import recommendation_service_pb2_grpc as services


class TypicalPlainServer(services.RecommendationServiceServicer):
    """Answers from the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._session = ort.InferenceSession(str(tables.model), providers=["CPUExecutionProvider"])

    async def RecommendCreators(  # noqa: N802 - gRPC's name
        self, request: pb.RecommendCreatorsRequest, context: grpc.aio.ServicerContext[pb.RecommendCreatorsRequest, pb.RecommendCreatorsResponse]
    ) -> pb.RecommendCreatorsResponse:
        """The page of one listed user."""
        user_row = self._tables.user_rows.get(request.user.user_id)
        if user_row is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such user")
        return await asyncio.get_running_loop().run_in_executor(None, self._recommend, request, user_row)

    def _recommend(self, request: pb.RecommendCreatorsRequest, user_row: int) -> pb.RecommendCreatorsResponse:
        tables = self._tables
        labels, distances = tables.index.knn_query(tables.queries[user_row], k=CANDIDATE_COUNT)
        rows, similarities = labels[0], 1.0 - distances[0]
        ask = Ask(user_row, rows, similarities)
        feeds = {layout.input.name: np.concatenate([_part(block, ask) for block in layout.blocks], axis=1) for layout in tables.layouts}
        scores = self._session.run([tables.output], feeds)[0][:, 0]
        top = np.argsort(-scores)[: request.page_size]
        response = pb.RecommendCreatorsResponse(request_id=request.request_id)
        for place in top:
            response.recommendations.add(
                creator_id=tables.creator_ids[rows[place]], score=float(scores[place]), similarity=float(similarities[place])
            )
        return response


def _part(block: Block, ask: Ask) -> AnyArray:
    """One side of an input for all candidates, [n, w]."""
    if block.side == "creator":
        gathered: AnyArray = block.values[ask.rows]
        return gathered
    if block.side == "retrieval":
        return ask.similarities[:, None]
    row = block.values[ask.user_row] if block.side == "user" else sent(block, ask.context)
    return np.broadcast_to(row, (len(ask.rows), len(row)))


async def serve(bundle: str, port: str, ranker: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    services.add_RecommendationServiceServicer_to_server(TypicalPlainServer(open_tables(Path(bundle), ranker)), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
