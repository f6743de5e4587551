"""Does an answer make sense? An OK with a wrong page in it is a failure too."""

from __future__ import annotations

import math

from earshot.v1 import recommendation_service_pb2 as rpc
from earshot.v1 import types_pb2 as types
from loadtest.request_drawer import Drawn

# Less work for want of time is what the server promises under load: counted and limited. The other reasons say that something is broken.
EXPECTED_REASONS = frozenset({types.DEGRADATION_REASON_DEADLINE, types.DEGRADATION_REASON_OVERLOAD})


def fault_in(answer: rpc.RecommendCreatorsResponse, drawn: Drawn) -> str:
    """What is wrong with the answer, in a few words that group well; empty when nothing is."""
    ids = [one.creator_id for one in answer.recommendations]
    broken = [name for rung, name in zip(answer.degradations, degradations_of(answer), strict=True) if rung.reason not in EXPECTED_REASONS]
    faults = {
        f"degraded: {', '.join(broken)}": bool(broken),
        "another request's id": answer.request_id != drawn.request.request_id,
        "page too short": len(ids) < drawn.request.page_size,  # the demo has enough creators behind each filter
        "page too long": len(ids) > drawn.request.page_size,
        "a creator twice": len(set(ids)) < len(ids),
        "a creator that was to be left out": not drawn.hidden_ids.isdisjoint(ids),
        "not in order": not _in_order(answer),
        "no receipt": not answer.receipt,
        "no bundle version": not answer.bundle_version,
        "no diagnostics": answer.HasField("diagnostics") != (drawn.request.view == rpc.RESPONSE_VIEW_DIAGNOSTIC),
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def degradations_of(answer: rpc.RecommendCreatorsResponse) -> tuple[str, ...]:
    """The rungs that were taken, by stage and reason: "RANK DEADLINE"."""
    return tuple(f"{stage_name(rung.stage)} {_reason_name(rung.reason)}" for rung in answer.degradations)


def stages_of(answer: rpc.RecommendCreatorsResponse) -> tuple[tuple[str, float], ...]:
    """Name and milliseconds of each stage, and of all of them together as ENGINE; empty without the diagnostic view."""
    if not answer.HasField("diagnostics"):
        return ()
    stages = [(stage_name(report.stage), report.duration.ToNanoseconds() / 1e6) for report in answer.diagnostics.stages]
    return (*stages, ("ENGINE", answer.diagnostics.duration.ToNanoseconds() / 1e6))


def stage_name(stage: types.Stage.ValueType) -> str:
    """RETRIEVE of STAGE_RETRIEVE."""
    return types.Stage.Name(stage).removeprefix("STAGE_")


def _reason_name(reason: types.DegradationReason.ValueType) -> str:
    return types.DegradationReason.Name(reason).removeprefix("DEGRADATION_REASON_")


def _in_order(answer: rpc.RecommendCreatorsResponse) -> bool:
    """Scores fall; those without one come last."""
    scores = [one.score if one.HasField("score") else -math.inf for one in answer.recommendations]
    return not any(math.isnan(score) for score in scores) and scores == sorted(scores, reverse=True)
