"""The load: a closed-loop gRPC client that keeps a given number of requests in flight over several connections."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Thread

import grpc
import numpy as np

from bench.answers import Answer
from bench.blocks import Block, Measured
from bench.cpu import cpu_s, tree_of
from bench.question import CANDIDATE_COUNT, DEADLINE_S, PAGE_SIZE, user_id
from domain.arrays import AnyArray, RowArray
from earshot.v1 import recommendation_service_pb2 as pb

METHOD = "/earshot.v1.RecommendationService/RecommendCreators"
CHANNEL_COUNT = 16  # SO_REUSEPORT spreads connections, not calls: with this many over two workers both have plenty

Call = Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: where it listens, and the root of its process tree."""

    address: str
    pid: int


def encoded(user_rows: RowArray) -> list[bytes]:
    """The requests as they cross the wire, made ahead of time."""
    made = {}
    for row in set(user_rows.tolist()):
        request = pb.RecommendCreatorsRequest(user=pb.User(user_id=user_id(row)), page_size=PAGE_SIZE, candidate_count=CANDIDATE_COUNT)
        made[row] = request.SerializeToString()
    return [made[row] for row in user_rows.tolist()]


def put(target: Target, block: Block) -> Measured:
    """Connect, warm up, put the block's requests to the server, and measure the server's process tree meanwhile."""
    requests = encoded(block.user_rows)
    with ExitStack() as stack:
        calls = [_connect(target.address, requests[0], stack) for _ in range(CHANNEL_COUNT)]
        _drive(calls, requests[: block.warm_up], block.in_flight)
        pids = tree_of(target.pid)
        started_cpu_s, started_own_s, started_s = cpu_s(pids), time.process_time(), time.perf_counter()
        latencies, outcomes = _drive(calls, requests, block.in_flight)
        wall_s, own_s, used_s = time.perf_counter() - started_s, time.process_time() - started_own_s, cpu_s(pids) - started_cpu_s
        if tree_of(target.pid) != pids:
            raise RuntimeError(f"the processes of {target.address} changed during a block: one of them died, see its log")
    return Measured(
        wall_s=wall_s,
        cpu_ms=used_s * 1e3,
        latencies_ms=latencies / 1e6,
        failures=dict(Counter(outcome for outcome in outcomes if isinstance(outcome, str))),
        degraded=sum(bool(_decoded(outcome).degradations) for outcome in outcomes if isinstance(outcome, bytes)),
        client_cpu_ms=own_s * 1e3,
        answers=tuple(_answer(outcome) for outcome in outcomes[: block.keep_answers]),
    )


def _connect(address: str, request: bytes, stack: ExitStack) -> Call:
    """A connection of its own that has answered once."""
    channel = stack.enter_context(grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]))
    call: Call = channel.unary_unary(METHOD)  # no serializers: bytes go in and come out
    call(request, timeout=30, wait_for_ready=True)
    return call


def _drive(calls: list[Call], requests: list[bytes], in_flight: int) -> tuple[AnyArray, list[bytes | str]]:
    """(latencies in ns, int64 [n]; the answer's bytes or the status name of the failure, per request)."""
    latencies = np.zeros(len(requests), np.int64)
    outcomes: list[bytes | str] = [""] * len(requests)
    places = iter(range(len(requests)))  # shared: each thread takes the next request when its last one is answered

    def work(places: Iterator[int]) -> None:
        for place in places:
            started_ns = time.perf_counter_ns()
            try:
                outcomes[place] = calls[place % len(calls)](requests[place], timeout=DEADLINE_S)
            except grpc.RpcError as failure:
                outcomes[place] = failure.code().name
            latencies[place] = time.perf_counter_ns() - started_ns

    threads = [Thread(target=work, args=(places,)) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, outcomes


def _decoded(answer: bytes) -> pb.RecommendCreatorsResponse:
    return pb.RecommendCreatorsResponse.FromString(answer)


def _answer(outcome: bytes | str) -> Answer:
    """A failed call is an empty answer: it agrees with nothing."""
    listed = _decoded(outcome).recommendations if isinstance(outcome, bytes) else []
    return Answer(tuple(r.creator_id for r in listed), tuple(r.score for r in listed))
