"""How good answers are: each against the full answer that the same user gets when nobody is in a hurry."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

import grpc

from bench.load import Target
from bench.promise.arithmetic import gains_of, ndcg
from bench.question import CANDIDATE_COUNT
from earshot.client import NO_RETRIES, RecommendationClient
from earshot.v1 import recommendation_service_pb2 as pb
from loadtest.open_loop.trial import OK, Samples, Trial

PATIENCE_S = 20.0


def full_gains(target: Target, user_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """What each creator is worth to each user, by the scores of the full work: asked one by one, for all candidates.

    Raises RuntimeError when an answer is not the full work.
    """
    found = {}
    with RecommendationClient(target.address, connection_count=1, policy=NO_RETRIES, throttle=None) as client:
        for user_id in user_ids:
            answer = _full(client, user_id)
            found[user_id] = gains_of({one.creator_id: one.score for one in answer.recommendations})
    return found


def _full(client: RecommendationClient, user_id: str) -> pb.RecommendCreatorsResponse:
    request = pb.RecommendCreatorsRequest(user=pb.User(user_id=user_id), page_size=CANDIDATE_COUNT, candidate_count=CANDIDATE_COUNT)
    try:
        answer = client.recommend(request, PATIENCE_S)
    except grpc.RpcError as error:
        raise RuntimeError(f"the full answer of {user_id} failed: {error}") from error
    if answer.degradations:
        raise RuntimeError(f"the full answer of {user_id} is degraded: {answer.degradations}; there is nothing to hold the others against")
    return answer


def mean_ndcg(samples: Samples, trial: Trial, full: Mapping[str, Mapping[str, float]], until_s: float = math.inf) -> float:
    """Of the answers within the deadline to calls planned before `until_s`; a trial that keeps slates. nan without any."""
    known: dict[str, float] = {}  # the same slate comes many times
    values = []
    for slate in _slates_in_time(samples, trial, until_s):
        if slate not in known:
            user_id, *ids = slate.split(" ")
            known[slate] = ndcg(ids, full[user_id])
        values.append(known[slate])
    return statistics.fmean(values) if values else float("nan")


def _slates_in_time(samples: Samples, trial: Trial, until_s: float) -> Iterable[str]:
    calls = samples.measured(trial.warm_up_s)
    for slate, outcome, latency_s, planned_s in zip(calls.slates, calls.outcome, calls.latency_s, calls.planned_s, strict=True):
        if outcome == OK and latency_s <= trial.deadline_s and planned_s < until_s:
            yield slate
