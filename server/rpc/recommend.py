"""RecommendCreators: what surrounds the engine. It reads the clocks, decides the code, and counts and logs every call."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Protocol

import grpc

from domain.deadline import Clock, Deadline
from domain.errors import Canceled, DeadlinePassed, RequestError
from domain.request import RecommendRequest
from domain.slate import Recommended
from domain.terms import Terms
from earshot.v1 import recommendation_service_pb2 as pb
from server.rpc.decode import MAX_REQUEST_ID_BYTES, decode_request
from server.rpc.encode import ResponseEncoder
from server.rpc.errors import Status, status_of
from server.rpc.outermost import Refused, defect
from server.rpc.pulse import Pulse
from server.rpc.reading import Undecodable
from server.telemetry.access_log import AccessLog, Call
from server.telemetry.logs import LOGGER
from server.telemetry.meter import Meter

NO_DEADLINE_S = 1e12  # without one grpcio reports about 9.2e18 seconds left


class Recommends(Protocol):
    """What the edge needs of an engine."""

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:
        """A slate, or a RequestError."""
        ...


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """Which time limit a call gets, in seconds."""

    default_s: float
    max_s: float
    reserve_s: float

    def budget_s(self, remaining_s: float) -> float:
        """The time that the engine may use when gRPC says `remaining_s`. Raises DeadlinePassed when none is left."""
        if remaining_s <= 0.0:
            raise DeadlinePassed("the deadline had passed before the call was taken; allow more time")
        return (self.default_s if remaining_s > NO_DEADLINE_S else min(remaining_s, self.max_s)) - self.reserve_s


@dataclass(frozen=True, slots=True)
class Recorder:
    """Everything that notes what happened to a call."""

    meter: Meter
    access_log: AccessLog
    pulse: Pulse


class RecommendHandler:
    """Answers RecommendCreators on the request's own thread; several at a time."""

    def __init__(self, engine: Recommends, encoder: ResponseEncoder, rules: DeadlineRules, recorder: Recorder, clock: Clock) -> None:
        self._engine = engine
        self._encoder = encoder
        self._rules = rules
        self._recorder = recorder
        self._clock = clock

    def recommend_creators(self, message: pb.RecommendCreatorsRequest | Undecodable, context: grpc.ServicerContext) -> bytes:
        """The serialised response, or Refused with a canonical code. Counts and logs every call, however it ends."""
        call = Call(self._clock())
        self._recorder.meter.begin()
        self._recorder.pulse.begin(call.arrived_s)
        try:
            response = self._answer(call, message, context)
            call.code, call.code_name = 0, "OK"
        except BaseException as problem:  # noqa: BLE001  # whatever it was, it is counted under the code that the caller gets
            raise Refused(_status(problem, call)) from None
        finally:
            self._record(call)
        return response

    def _answer(self, call: Call, message: pb.RecommendCreatorsRequest | Undecodable, context: grpc.ServicerContext) -> bytes:
        if isinstance(message, pb.RecommendCreatorsRequest):
            call.request_id = message.request_id[:MAX_REQUEST_ID_BYTES]  # for the log, should it be refused
        budget_s = self._rules.budget_s(context.time_remaining())
        if not context.is_active():
            raise Canceled("the caller has gone")
        deadline = Deadline(call.arrived_s + budget_s, self._clock)
        request = decode_request(message, time.time())
        call.request_id, call.user_id = request.request_id, request.user_id
        answer = self._engine.recommend(request, Terms(deadline, active=context.is_active))
        call.answer = answer
        return self._encoder.encode(request.request_id, answer, message.view == pb.RESPONSE_VIEW_DIAGNOSTIC)  # type: ignore[union-attr]  # decoded

    def _record(self, call: Call) -> None:
        call.finished_s = self._clock()
        self._recorder.pulse.end()
        try:
            logged = self._recorder.access_log.write(call)
            self._recorder.meter.end(call.code, call.finished_s - call.arrived_s, call.answer, logged)
        except Exception:  # noqa: BLE001  # an answer that could not be noted is still an answer
            LOGGER.log(logging.ERROR, "a call could not be recorded", exc_info=True)


def _status(problem: BaseException, call: Call) -> Status:
    call.answer = None
    if isinstance(problem, RequestError):
        status = status_of(problem)
        call.reason = type(problem).__name__
    else:
        call.reason, status = defect(problem, request_id=call.request_id)
    call.code, call.code_name = status.code.value[0], status.code.name
    return status
