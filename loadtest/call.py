"""One call: made, timed and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import grpc

from earshot.client import RecommendationClient, reason_of
from loadtest.answer import degradations_of, fault_in, stages_of
from loadtest.request_drawer import Drawn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. `failure` is empty when status and answer were good; `stages` are (name, ms), of diagnostic answers only."""

    kind: str
    latency_ms: float
    failure: str
    byte_count: int = 0
    degradations: tuple[str, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()
    shown_ids: tuple[str, ...] = ()


def call(client: RecommendationClient, drawn: Drawn, clock: Callable[[], float]) -> Outcome:
    """Ask once (the client's own retries included). `clock`: monotonic seconds. Never raises for what the server does."""
    started_s = clock()
    try:
        answer = client.recommend(drawn.request, timeout_s=drawn.deadline_s)
    except grpc.RpcError as error:
        return Outcome(drawn.kind, (clock() - started_s) * 1e3, _name_of(error))
    latency_ms = (clock() - started_s) * 1e3  # before the answer is judged: that is the caller's time, not the server's
    return Outcome(
        drawn.kind,
        latency_ms,
        fault_in(answer, drawn),
        answer.ByteSize(),
        degradations_of(answer),
        stages_of(answer),
        tuple(one.creator_id for one in answer.recommendations),
    )


def _name_of(error: grpc.RpcError) -> str:
    """The status, and Earshot's reason where it gave one: "UNAVAILABLE OVERLOADED". No details: failures are counted by this name."""
    code = getattr(error, "code", lambda: None)()
    return f"{code.name if code else 'UNKNOWN'} {reason_of(error)}".strip()
