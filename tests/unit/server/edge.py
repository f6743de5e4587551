"""One data plane in this process, over a real socket."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from server.assignment import Assignment
from server.data_plane import SERVICE, DataPlane
from server.ports import hold
from server.rpc import admission
from server.settings import Settings
from server.telemetry.board import Board
from tests.unit.server.small_world import recommended

PUSHBACKS_MS = {f"{admission.RETRY_AFTER_S * share * 1e3:.0f}" for share in admission.SPREAD}
REQUEST = pb.RecommendCreatorsRequest(request_id="r1", user=pb.User(user_id="listener-1"))


def answer(request, terms):
    """What most engines here do."""
    return recommended()


def refused(call, *arguments, **options):
    """The error with which a call fails; it must."""
    with pytest.raises(grpc.RpcError) as refusal:
        call(*arguments, **options)
    return refusal.value


class Edge:
    """A data plane on a free port, and a client."""

    def __init__(self, engine, **settings) -> None:
        self.held = hold("127.0.0.1", 0)
        self.board = Board.create(1)
        chosen = replace(Settings(bundle=Path("b"), workers=1, threads=2, max_pending_requests=2), **settings)
        assignment = Assignment(chosen, Path("b"), self.held.address, os.getpid(), -1, self.board.fd, b"key")
        self.plane = DataPlane(engine, assignment, 0)
        self.plane.start()
        self.channel = grpc.insecure_channel(self.held.address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.recommend = RecommendationServiceStub(self.channel).RecommendCreators
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def check(self, service=SERVICE):
        return self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    @property
    def reception(self):
        """What grpcio takes for its thread pool."""
        return self.plane._server._state.thread_pool

    @property
    def pool(self):
        """The request threads."""
        return self.plane._desk.pool

    @property
    def unfinished(self):
        """The calls whose message is on its way, of either kind."""
        return len(self.plane.front.unfinished) + len(self.reception.unfinished)

    def states(self):
        """The calls that grpcio knows of."""
        return self.plane._server._state.rpc_states

    def close(self) -> None:
        self.channel.close()
        self.plane.stop(0).wait(5)
        self.plane.flush_logs()
        self.held.close()
