"""The load generator against real servers on a free port."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np

from bench.blocks import Block
from bench.load import Target, encoded, put
from bench.question import user_id
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import recommendation_service_pb2_grpc as services


class _Server(services.RecommendationServiceServicer):
    """Recommends one creator named after the user; refuses every user whose row is a multiple of ten, but for row 0."""

    def RecommendCreators(self, request, context):  # noqa: N802 - gRPC's name
        row = int(request.user.user_id[1:])
        if row and row % 10 == 0:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such user")
        rungs = [pb.Degradation(wanted_count=2, served_count=1)] if row == 7 else []
        return pb.RecommendCreatorsResponse(recommendations=[pb.Recommendation(creator_id=f"c{row}", score=row)], degradations=rungs)


@contextmanager
def _running() -> Iterator[Target]:
    server = grpc.server(ThreadPoolExecutor(4))
    services.add_RecommendationServiceServicer_to_server(_Server(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Target(f"127.0.0.1:{port}", os.getpid())
    server.stop(0).wait()


def test_every_request_is_put_once_and_answers_come_in_the_order_of_the_block() -> None:
    rows = np.random.default_rng(1).permutation([r for r in range(200) if r % 10]).astype(np.int64)
    with _running() as target:
        measured = put(target, Block(rows, in_flight=8, warm_up=5, keep_answers=len(rows)))
    assert [answer.ids for answer in measured.answers] == [(f"c{row}",) for row in rows.tolist()]
    assert measured.failures == {}
    assert np.all(measured.latencies_ms > 0)
    assert measured.cpu_ms > 0


def test_failures_are_counted_by_status_and_rungs_are_counted_too() -> None:
    rows = np.arange(100, dtype=np.int64)
    with _running() as target:
        measured = put(target, Block(rows, in_flight=4, warm_up=0, keep_answers=11))
    assert measured.failures == {"NOT_FOUND": 9}
    assert measured.degraded == 1
    assert measured.answers[10].ids == ()


def test_requests_ask_for_the_page_and_the_candidates_of_the_benchmark() -> None:
    (request,) = map(pb.RecommendCreatorsRequest.FromString, encoded(np.array([42])))
    assert (request.user.user_id, request.page_size, request.candidate_count) == (user_id(42), 50, 500)
