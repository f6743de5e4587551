"""A real server keeps the promise: small deadlines, a ranker that becomes slow and fast again, and what the answers say of it."""

import math
import time

import grpc
import pytest

from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import types_pb2
from tests.integration.server_process import ServerProcess, wait_until

REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001"), view=pb.RESPONSE_VIEW_DIAGNOSTIC)
SLOW = 400  # the demo's ranker takes a fraction of a millisecond


@pytest.fixture(scope="module")
def drilled(demo_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drilled")
    file = folder / "drill.toml"
    with ServerProcess(folder, "--bundle", str(demo_bundle), "--workers", "1", "--drill-file", str(file)) as server:
        yield server, file


def ask(server, timeout_s):
    """The answer, or None when it did not come in time."""
    try:
        return server.recommend()(REQUEST, timeout=timeout_s)
    except grpc.RpcError as refusal:
        if refusal.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        return None


def until(server, timeout_s, holds):
    """The first answer that is as wanted."""
    ends_s = time.monotonic() + 20.0
    while time.monotonic() < ends_s:
        answer = ask(server, timeout_s)
        if answer is not None and holds(answer):
            return answer
    raise AssertionError("no answer was as wanted in time")


def cut(answer):
    return [(r.stage, r.reason) for r in answer.degradations]


def test_the_diagnostic_view_tells_plan_costs_and_loss(drilled):
    answer = until(drilled[0], 5.0, lambda answer: True)
    how = answer.diagnostics
    assert (how.plan.retrieve_count, how.plan.rank_count, how.ranked_count) == (200, 200, 200)
    assert how.plan.form == how.scoring_form
    assert how.plan.confidence == 0.99
    assert how.plan.running_count == 1
    assert 0.0 < how.plan.predicted.ToTimedelta().total_seconds() < how.plan.remaining.ToTimedelta().total_seconds()
    assert {cost.stage for cost in how.costs} == {types_pb2.STAGE_RETRIEVE, types_pb2.STAGE_RANK, types_pb2.STAGE_UNSPECIFIED}
    assert all(cost.sure.ToNanoseconds() >= cost.fixed.ToNanoseconds() for cost in how.costs)
    assert how.HasField("estimated_loss")
    assert how.estimated_loss == 0.0


def test_a_ranker_that_becomes_slow_gives_lesser_answers_that_say_so_and_full_ones_again_when_it_recovers(drilled):
    server, file = drilled
    until(server, 0.1, lambda answer: not answer.degradations)
    file.write_text(f"slow_ranker = {SLOW}\n")
    lesser = until(server, 0.05, cut)
    assert set(cut(lesser)) <= {
        (types_pb2.STAGE_RETRIEVE, types_pb2.DEGRADATION_REASON_DEADLINE),
        (types_pb2.STAGE_RANK, types_pb2.DEGRADATION_REASON_DEADLINE),
    }
    assert lesser.diagnostics.ranked_count < 200
    assert 0.0 < lesser.diagnostics.estimated_loss < 1.0
    assert len(lesser.recommendations) == 20
    similarities = [one.similarity for one in lesser.recommendations if not one.HasField("score")]
    assert similarities == sorted(similarities, reverse=True)

    file.unlink()
    assert "every ranker call runs 400 times" in server.log.read_text()
    wait_until(lambda: "the drill is over" in server.log.read_text(), 5, "the worker looks at the file again")
    full = until(server, 0.1, lambda answer: not answer.degradations)
    assert full.diagnostics.ranked_count == 200


def test_metrics_show_what_each_worker_has_learned(drilled):
    until(drilled[0], 5.0, lambda answer: True)
    time.sleep(0.6)
    metrics = drilled[0].metrics()
    for stage in ("retrieve", "retrieve_exact", "rank", "rest"):
        sure_s = metrics[f'earshot_cost_seconds{{part="sure",stage="{stage}",worker="0"}}']
        assert 0.0 < sure_s < 1.0
        assert math.isfinite(sure_s)
    assert metrics['earshot_creators_total{count="planned"}'] > 0
