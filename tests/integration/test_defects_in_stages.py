"""A stage that breaks in a way that nobody foresaw, in the real engine behind a real socket: the caller has an answer, the worker goes on."""

import asyncio
import time
from dataclasses import replace

import grpc
import pytest

from earshot.client import error_info_of, reason_of
from earshot.v1 import recommendation_service_pb2 as pb
from engine.open import StartOptions, prepare
from tests.unit.server.edge import Edge

REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"))
ENDS = [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]
STAGES = {"look_up": "look_up", "retriever": "retrieve", "rank": "rank", "composer": "compose"}


@pytest.fixture(scope="module")
def engine(demo_bundle):
    return prepare(demo_bundle).start(StartOptions(proved=True), time.monotonic, lambda stage, failure: None)


class Breaking:
    """A stage that raises for as long as `problem` is set."""

    def __init__(self, stage, verb: str) -> None:
        self._stage, self._verb = stage, verb
        self.problem: BaseException | None = None

    def __getattr__(self, name):
        if name == self._verb and self.problem is not None:
            raise self.problem
        return getattr(self._stage, name)


@pytest.fixture
def breaking(request, engine):
    """(edge, the stage that breaks)."""
    name = request.param
    way = engine.ways["default"]
    stage = Breaking(getattr(way, name), STAGES[name])
    edge = Edge(replace(engine, ways={"default": replace(way, **{name: stage})}))
    yield edge, stage
    edge.close()


@pytest.mark.parametrize("breaking", STAGES, indirect=True)
@pytest.mark.parametrize("kind", [*ENDS, ValueError, MemoryError])
def test_whatever_a_stage_raises_is_internal_with_an_id_and_the_next_calls_are_served(breaking, kind, caplog):
    edge, stage = breaking
    for _ in range(5):  # more often than there are threads
        stage.problem = kind("secret")
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as refusal:
            edge.recommend(REQUEST, timeout=10)
        assert time.monotonic() - started < 2.0
        error_id = error_info_of(refusal.value).metadata["error_id"]
        assert (refusal.value.code(), reason_of(refusal.value)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert refusal.value.details() == f"internal error {error_id}"
        line = next(record for record in caplog.records if getattr(record, "fields", {}).get("error_id") == error_id)
        assert line.exc_info[0] is kind
        assert line.exc_info[2] is not None
        stage.problem = None
        assert len(edge.recommend(REQUEST, timeout=10).recommendations) == 20


@pytest.mark.parametrize("kind", ENDS)
def test_a_ranker_that_ends_the_thread_is_internal_and_not_a_rung(engine, kind):
    """Similarity order stands in for a ranker that fails, not for a request to stop."""
    way = engine.ways["default"]
    ranker = Breaking(way.rank.ranker, "rank")
    ranker.problem = kind("secret")
    edge = Edge(replace(engine, ways={"default": replace(way, rank=replace(way.rank, ranker=ranker))}))
    try:
        with pytest.raises(grpc.RpcError) as refusal:
            edge.recommend(REQUEST, timeout=10)
        assert refusal.value.code() is grpc.StatusCode.INTERNAL
        ranker.problem = ValueError("secret")
        degraded = edge.recommend(REQUEST, timeout=10)
        assert [rung.reason for rung in degraded.degradations] == [2]
        assert len(degraded.recommendations) == 20
    finally:
        edge.close()
