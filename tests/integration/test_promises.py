"""The commands that prove promises, from end to end in a small world: that they measure and write. What they find is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
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


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    made = World(tmp_path_factory.mktemp("promises"), creator_count=2000, user_count=20)
    ensure_bundle(made, "light")
    return made


def test_a_command_measures_a_real_server_and_writes_what_it_found(world, tmp_path):
    ended, found = run_cancels(world, tmp_path)
    assert ended.returncode == 1, ended.stderr  # so few calls show nothing
    assert not found["met"]
    assert found["checks"]
    assert found["machine"]["cores"] >= 1
    assert found["seed"] == 1
    assert "calls are too few" in found["checks"][0]["doubt"]
    assert "<svg" in (tmp_path / "cancels.html").read_text()


def test_the_same_command_finds_what_it_has_measured_and_starts_over_when_told_to(world, tmp_path):
    _, first = run_cancels(world, tmp_path)
    _, again = run_cancels(world, tmp_path)
    assert (again["checks"], again["points"]) == (first["checks"], first["points"])
    _, fresh = run_cancels(world, tmp_path, "--fresh")
    assert fresh["points"] != first["points"]


def test_what_a_command_had_when_it_was_interrupted_is_written_and_not_measured_again(world, tmp_path):
    parts = tmp_path / "parts" / "cancels.json"
    with subprocess.Popen(cancels(world, tmp_path), env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL) as running:
        while not parts.is_file() and running.poll() is None:
            time.sleep(0.05)
        running.terminate()
        assert running.wait(60) == 143
    written = json.loads((tmp_path / "cancels.json").read_text())
    assert [check["what"] for check in written["checks"] if not check["met"]] == ["measured to its end"]
    kept = json.loads(parts.read_text())["single"]
    run_cancels(world, tmp_path)
    assert json.loads(parts.read_text())["single"] == kept


def cancels(world, out: Path, *words: str) -> list[str]:
    size = ("--creators", "2000", "--users", "20")
    told = ("--rankers", "light", "--seconds", "6", "--server-core", "-1", "--data", str(world.data), "--out", str(out))
    return [sys.executable, "-m", "bench.promise", "cancels", *told, *size, *words]


def run_cancels(world, out: Path, *words: str):
    """(how it ended, what it wrote)."""
    ended = subprocess.run(cancels(world, out, *words), env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return ended, json.loads((out / "cancels.json").read_text())


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
