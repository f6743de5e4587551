"""Takes requests in without a thread, and hands each one on when it is whole.

Left alone, grpcio gives a call to a thread as soon as its headers are there, and the thread waits for the rest: four calls whose message never comes
hold the four threads of a worker for as long as they like. Here the thread that polls the connections anyway receives the message; request threads
see nothing but whole requests. One hand-over between threads per request is saved on the way, and a refusal needs no thread at all.

grpcio has no public place for this (docs/adr/0009-reception.md). What is used of its inside is listed below; the lock pins its version, and
tests/unit/server/test_reception.py fails when a new one differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import grpc
from grpc import _common as grpc_common
from grpc import _server as grpc_server
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.errors import Status
from server.rpc.request_pool import Finished, RequestPool

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Method = Callable[[Request, grpc.ServicerContext], Answer]
# Calls whose message is on its way. A good caller's follows its headers within milliseconds; beyond this many, the oldest is none of them.
# Each costs about 10 KiB until its connection is closed for age.
MAX_INCOMPLETE = 1000
_NO_MESSAGE = b"the method wants exactly one request message"


class Desk(Protocol):
    """Where the calls of some methods are answered. Asked by the polling thread alone."""

    @property
    def pool(self) -> RequestPool:
        """The threads that answer."""
        ...

    @property
    def whole(self) -> bool:
        """Whether a request is one message, to be received first. False: the method reads a stream of them itself."""
        ...

    def refusal(self) -> Status | None:
        """Why a call that comes now cannot be taken; None when it can."""
        ...


def at_desk(method: Method[Request, Answer], desk: Desk) -> Method[Request, Answer]:
    """The same method, answered at that desk."""

    def behavior(request: Request, context: grpc.ServicerContext) -> Answer:
        return method(request, context)

    behavior.desk = desk  # type: ignore[attr-defined]  # read by Reception
    return behavior


@dataclass(frozen=True, slots=True)
class BoundedDesk:
    """Takes calls while fewer than `limit` wait for one of the pool's threads."""

    pool: RequestPool
    limit: int
    full: Status
    whole: bool = True

    def refusal(self) -> Status | None:
        """The refusal while the limit is reached."""
        return self.full if self.pool.backlog() >= self.limit else None


class Reception:
    """Given to `grpc.server` in place of its thread pool. Every method behind it was made by `at_desk`, or is answered at `default`.

    grpcio has one polling thread, the only one that comes here: no lock is needed.
    """

    def __init__(self, default: Desk) -> None:
        self._default = default
        self._incomplete: dict[Any, Any] = {}  # state -> call, the oldest first

    def submit(self, run: Callable[..., None], respond: Callable[..., None], *call: Any) -> Finished:
        """What grpcio calls when the headers of a call are there. call: event, state, behavior, argument thunk, deserializer, serializer.

        The future that grpcio gets back serves it to count calls, which is not wanted here: it is over already.
        """
        event, state, behavior, *_ = call
        desk: Desk = getattr(behavior, "desk", self._default)
        refusal = desk.refusal()
        if refusal is not None:
            _refuse(event, state, refusal)
        elif desk.whole:
            self._receive(run, respond, call)
        else:
            desk.pool.submit(run, respond, *call)
        return OVER

    def _receive(self, run: Callable[..., None], respond: Callable[..., None], call: tuple[Any, ...]) -> None:
        event, state, behavior, _, deserialize, serialize = call
        note_message = grpc_server._receive_message(state, event.call, deserialize)  # noqa: SLF001  # see above

        def arrived(message_event: Any) -> Any:
            self._incomplete.pop(state, None)
            outcome = note_message(message_event)
            if _whole(event, state):
                self._hand_on(run, respond, (event, state, behavior, lambda: _taken(state), deserialize, serialize))
            return outcome

        with state.condition:
            event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), arrived)
            state.due.add(grpc_server._RECEIVE_MESSAGE_TOKEN)  # noqa: SLF001  # see above
        self._incomplete[state] = event.call
        if len(self._incomplete) > MAX_INCOMPLETE:
            self._incomplete.pop(next(iter(self._incomplete))).cancel()

    def _hand_on(self, run: Callable[..., None], respond: Callable[..., None], call: tuple[Any, ...]) -> None:
        event, state, behavior, *_ = call
        desk: Desk = getattr(behavior, "desk", self._default)
        refusal = desk.refusal()  # many may have arrived since the headers
        if refusal is None:
            desk.pool.submit(run, respond, *call)
        else:
            _refuse(event, state, refusal)


def _whole(event: Any, state: Any) -> bool:
    """Whether there is a request to answer. A caller that said it was done without having sent one is told so."""
    with state.condition:
        if not grpc_server._is_rpc_state_active(state):  # noqa: SLF001  # see above
            return False
        if state.request is None and state.client is grpc_server._CLOSED:  # noqa: SLF001  # see above
            grpc_server._abort(state, event.call, cygrpc.StatusCode.unimplemented, _NO_MESSAGE)  # noqa: SLF001  # see above
        return state.request is not None


def _taken(state: Any) -> Any:
    with state.condition:
        request, state.request = state.request, None
        return request


def _refuse(event: Any, state: Any, refusal: Status) -> None:
    """Answer from the polling thread: nothing of the request is read, no thread is needed."""
    code = grpc_common.STATUS_CODE_TO_CYGRPC_STATUS_CODE[refusal.code]
    with state.condition:
        state.trailing_metadata = refusal.trailing_metadata
        grpc_server._abort(state, event.call, code, refusal.details.encode())  # noqa: SLF001  # see above


def _over() -> Finished:
    finished = Finished()
    finished.announce()
    return finished


OVER = _over()
