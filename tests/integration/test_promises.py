"""The commands that prove promises, from end to end in a small world: that they measure and write. What they find is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from bench.promise.contestant import whole_engine
from bench.promise.plans import planned
from bench.promise.rig import Rig
from bench.promise.world import World, ensure_bundle, ranker_facts
from domain.request import RecommendRequest
from domain.slate import DegradationReason
from domain.terms import Terms
from earshot.client import NO_RETRIES, RecommendationClient
from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.server_process import ROOT, environment

pytestmark = pytest.mark.slow  # a bundle is built

SIZE = ("--creators", "2000", "--users", "20")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = World(tmp_path_factory.mktemp("promises"), creator_count=2000, user_count=20)
    ensure_bundle(made, "light")
    return made


def test_a_command_measures_a_real_server_and_writes_what_it_found(world, tmp_path):
    command = [sys.executable, "-m", "bench.promise", "capacity", "--rankers", "light", "--seconds", "5", "--server-core", "-1", *SIZE]
    told = [*command, "--data", str(world.data), "--out", str(tmp_path)]
    ended = subprocess.run(told, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in {0, 1}, ended.stderr
    found = json.loads((tmp_path / "capacity.json").read_text())
    assert (ended.returncode == 0) == found["met"]
    assert found["checks"]
    assert found["machine"]["cores"] >= 1
    assert found["seed"] == 1
    assert "<svg" in (tmp_path / "capacity.html").read_text() or not found["points"]


def test_the_ranker_was_sized_by_what_it_costs(world):
    facts = ranker_facts(world, "light")
    assert facts["width"] % 16 == 0
    assert facts["cost_ms"] > 0


def test_a_fixed_count_cuts_the_ranking_and_nothing_else(world):
    engine = whole_engine(ensure_bundle(world, "light"))
    request = RecommendRequest(request_id="r", user_id=world.user_ids[3], page_size=60)
    terms = Terms.unhurried(engine.clock)
    full, cut = (planned(engine, plan).recommend(request, terms) for plan in ("full", "fixed:40"))
    assert (full.retrieved_count, cut.retrieved_count) == (500, 500)
    assert (full.ranked_count, cut.ranked_count) == (500, 40)
    assert full.degradations == ()
    assert [(rung.reason, rung.served_count) for rung in cut.degradations] == [(DegradationReason.DEADLINE, 40)]
    assert list(map(bool, cut.slate.scores == cut.slate.scores)) == [True] * 40 + [False] * 20  # nan where none was ranked
    assert list(cut.slate.similarities[40:]) == sorted(cut.slate.similarities[40:], reverse=True)


def test_a_contestant_serves_calls_and_a_stuck_one_answers_none(world, tmp_path: Path):
    rig = Rig(world, tmp_path, 1.0, server_core=None, client_core=None)
    request = pb.RecommendCreatorsRequest(user=pb.User(user_id=world.user_ids[0]), page_size=20)
    with rig.contestant("light", "fixed:10")() as target, RecommendationClient(target.address, connection_count=1, policy=NO_RETRIES) as client:
        answer = client.recommend(request, 20)
        assert sum(one.HasField("score") for one in answer.recommendations) == 10
        assert answer.degradations
    with (
        rig.contestant("light", "stuck:1")() as target,
        RecommendationClient(target.address, connection_count=1, policy=NO_RETRIES) as client,
        pytest.raises(grpc.RpcError),
    ):
        client.recommend(request, 0.5)
