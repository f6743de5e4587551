"""Asking a served bundle, one request at a time, from a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import numpy as np

from bench.load import METHOD, Call
from bench.question import DEADLINE_S, user_id
from domain.arrays import AnyArray
from earshot.v1 import recommendation_service_pb2 as pb


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. ids: in ranking order; method: how stage 1 searched; status: a canonical code's name."""

    ids: tuple[str, ...] = ()
    method: str = ""
    status: str = "OK"
    degraded: bool = False


def message(asker: int, wanted: pb.CandidateFilter, page_size: int, candidate_count: int) -> bytes:
    """One request as it crosses the wire."""
    return pb.RecommendCreatorsRequest(
        user=pb.User(user_id=user_id(asker)),
        page_size=page_size,
        candidate_count=candidate_count,
        filter=wanted,
        view=pb.RESPONSE_VIEW_DIAGNOSTIC,
    ).SerializeToString()


def make_asker(address: str) -> Callable[[list[bytes], bool], tuple[AnyArray, list[Answered]]]:
    """For `bench.remote.Remote`: a connected client. What it returns puts requests one after the other and gives milliseconds, and answers with ids
    if asked for."""
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    call: Call = channel.unary_unary(METHOD)

    def ask(requests: list[bytes], keep_ids: bool) -> tuple[AnyArray, list[Answered]]:
        latencies, answers = np.zeros(len(requests)), []
        for place, request in enumerate(requests):
            started_ns = time.perf_counter_ns()
            try:
                raw = call(request, timeout=DEADLINE_S)
            except grpc.RpcError as failure:
                answers.append(Answered(status=failure.code().name))
            else:
                latencies[place] = (time.perf_counter_ns() - started_ns) / 1e6
                answers.append(_answered(raw, keep_ids))
        return latencies, answers

    return ask


def _answered(raw: bytes, keep_ids: bool) -> Answered:
    response = pb.RecommendCreatorsResponse.FromString(raw)
    ids = tuple(row.creator_id for row in response.recommendations) if keep_ids else ()
    return Answered(ids, response.diagnostics.retrieval_method, degraded=bool(response.degradations))
