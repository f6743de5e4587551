"""Which answers make sense."""

import pytest

from earshot.v1 import recommendation_service_pb2 as rpc
from earshot.v1 import types_pb2 as types
from loadtest.answer import degradations_of, fault_in, stages_of
from loadtest.request_drawer import Drawn

_BROKEN = rpc.Degradation(stage=types.STAGE_RANK, reason=types.DEGRADATION_REASON_RANKER_FAILED)


def _drawn(view: rpc.ResponseView = rpc.RESPONSE_VIEW_BASIC) -> Drawn:
    request = rpc.RecommendCreatorsRequest(request_id="r", page_size=3, view=view)
    return Drawn("first page", request, 0.1, frozenset({"seen"}))


def _answer(*ids: str, scores: tuple[float | None, ...] = (3, 2, 1), **fields: object) -> rpc.RecommendCreatorsResponse:
    listed = [rpc.Recommendation(creator_id=i, score=s) for i, s in zip(ids or ("a", "b", "c"), (*scores, 0, 0), strict=False)]
    return rpc.RecommendCreatorsResponse(**{"request_id": "r", "receipt": "x", "bundle_version": "v", "recommendations": listed, **fields})


@pytest.mark.parametrize("answer", [_answer(), _answer(scores=(2, 2, 1)), _answer(scores=(2, None, None))])
def test_a_full_page_in_order_is_right(answer: rpc.RecommendCreatorsResponse) -> None:
    assert fault_in(answer, _drawn()) == ""


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (_answer("a", "b"), "page too short"),
        (_answer("a", "b", "c", "d"), "page too long"),
        (_answer("a", "b", "a"), "a creator twice"),
        (_answer("a", "seen", "c"), "a creator that was to be left out"),
        (_answer(scores=(1, 2, 3)), "not in order"),
        (_answer(scores=(None, 2, 1)), "not in order"),
        (_answer(scores=(3, float("nan"), 1)), "not in order"),
        (_answer(request_id="s"), "another request's id"),
        (_answer(receipt=""), "no receipt"),
        (_answer(bundle_version=""), "no bundle version"),
        (
            _answer(degradations=[rpc.Degradation(stage=types.STAGE_RANK, reason=types.DEGRADATION_REASON_RANKER_FAILED)]),
            "degraded: RANK RANKER_FAILED",
        ),
    ],
)
def test_an_ok_with_something_wrong_in_it_is_a_failure(answer: rpc.RecommendCreatorsResponse, fault: str) -> None:
    assert fault_in(answer, _drawn()) == fault


def test_less_work_for_want_of_time_is_no_fault_but_counted_by_name() -> None:
    answer = _answer(degradations=[rpc.Degradation(stage=types.STAGE_RANK, reason=types.DEGRADATION_REASON_DEADLINE)])
    assert fault_in(answer, _drawn()) == ""
    assert degradations_of(answer) == ("RANK DEADLINE",)


def test_diagnostics_come_when_they_were_asked_for() -> None:
    how = rpc.Diagnostics(stages=[rpc.StageReport(stage=types.STAGE_RETRIEVE)])
    how.stages[0].duration.FromNanoseconds(250_000)
    how.duration.FromNanoseconds(900_000)
    answer = _answer(diagnostics=how)
    assert fault_in(answer, _drawn(rpc.RESPONSE_VIEW_DIAGNOSTIC)) == ""
    assert stages_of(answer) == (("RETRIEVE", 0.25), ("ENGINE", 0.9))
    assert fault_in(_answer(), _drawn(rpc.RESPONSE_VIEW_DIAGNOSTIC)) == "no diagnostics"
    assert stages_of(_answer()) == ()
