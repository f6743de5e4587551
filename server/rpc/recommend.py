"""RecommendCreators: what surrounds the engine. It reads the clocks, decides the code, and counts and logs every call."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from domain.deadline import Clock, Deadline
from domain.errors import RequestError
from domain.request import RecommendRequest
from domain.slate import Recommended
from domain.terms import Terms
from earshot.v1 import recommendation_service_pb2 as pb
from server.admission.ticket import Ticket
from server.rpc.decode import MAX_REQUEST_ID_BYTES, decode_request
from server.rpc.encode import ResponseEncoder
from server.rpc.errors import Status, status_of
from server.rpc.outermost import defect
from server.rpc.pulse import Pulse
from server.rpc.reading import Undecodable
from server.telemetry.access_log import AccessLog, Call
from server.telemetry.logs import LOGGER
from server.telemetry.meter import Meter


class Recommends(Protocol):
    """What the edge needs of an engine."""

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:
        """A slate, or a RequestError."""
        ...


@dataclass(frozen=True, slots=True)
class Recorder:
    """Everything that notes what happened to a call."""

    meter: Meter
    access_log: AccessLog
    pulse: Pulse


class RecommendHandler:
    """Answers RecommendCreators on the request's own thread; several at a time."""

    def __init__(self, engine: Recommends, encoder: ResponseEncoder, recorder: Recorder, clock: Clock) -> None:
        self._engine = engine
        self._encoder = encoder
        self._recorder = recorder
        self._clock = clock

    def recommend_creators(self, ticket: Ticket) -> bytes | Status:
        """The serialised response, or the status of a call that has none; never raises. Counts and logs every call, however it ends."""
        call = Call(ticket.started_s)
        self._recorder.pulse.begin(call.arrived_s)
        outcome: bytes | Status
        try:
            outcome = self._answer(call, ticket)
            call.code, call.code_name = 0, "OK"
        except BaseException as problem:  # noqa: BLE001  # an answer is owed, whatever it was: under the code that it is counted under
            outcome = _status(problem, call)
        self._record(call)
        return outcome

    def _answer(self, call: Call, ticket: Ticket) -> bytes:
        message: pb.RecommendCreatorsRequest | Undecodable = ticket.message
        if isinstance(message, pb.RecommendCreatorsRequest):
            call.request_id = message.request_id[:MAX_REQUEST_ID_BYTES]  # for the log, should it be refused
        request = decode_request(message, time.time())
        call.request_id, call.user_id = request.request_id, request.user_id
        terms = Terms(Deadline(ticket.deadline_s, self._clock, ticket.grace_s), ticket.allowance_s, ticket.caller.active)
        call.answer = answer = self._engine.recommend(request, terms)
        ticket.engine_s = answer.duration_s
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
