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
from grpc import _server as grpc_server
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.direct import NO_MESSAGE
from server.rpc.errors import Status
from server.rpc.request_pool import Finished, Job, RequestPool
from server.rpc.unfinished import Unfinished

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Method = Callable[[Request, grpc.ServicerContext], Answer]


class Incoming:
    """One call, as the polling thread takes it in. `refuse` and `answer`: one of them, once; both from any thread."""

    __slots__ = ("_arguments", "_event", "_respond", "_run", "_state", "desk")

    def __init__(self, run: Callable[..., None], respond: Callable[..., None], call: tuple[Any, ...], desk: Desk) -> None:
        self._event, self._state, *self._arguments = call  # behavior, argument thunk, deserializer, serializer
        self._run, self._respond = run, respond
        self.desk = desk

    def refuse(self, refusal: Status) -> None:
        """Answer with a status; nothing of the request is read."""
        state = self._state
        with state.condition:
            state.trailing_metadata = refusal.trailing_metadata
            grpc_server._abort(state, self._event.call, refusal.number, refusal.encoded_details)  # noqa: SLF001  # see above

    def answer(self, argument: Any = None) -> None:
        """Run the method, on `argument` in place of the message where there is one."""
        behavior, thunk, *codecs = self._arguments
        self._run(self._respond, self._event, self._state, behavior, thunk if argument is None else lambda: argument, *codecs)

    def receive(self, unfinished: Unfinished[Incoming]) -> None:
        """Let the message come, then hand the call on to its desk; in `unfinished` until then."""
        event, state = self._event, self._state
        note_message = grpc_server._receive_message(state, event.call, self._arguments[2])  # noqa: SLF001  # see above

        def arrived(message_event: Any) -> Any:
            unfinished.leave(self)
            outcome = note_message(message_event)
            if _whole(event, state):
                self.desk.take(self)
            return outcome

        with state.condition:
            event.call.start_server_batch((cygrpc.ReceiveMessageOperation(0),), arrived)
            state.due.add(grpc_server._RECEIVE_MESSAGE_TOKEN)  # noqa: SLF001  # see above
        unfinished.enter(self)

    def cancel(self) -> None:
        """End it without an answer."""
        self._event.call.cancel()

    def answer_message(self) -> None:
        """Run the method on its message, which is whole."""
        self.answer(self.taken())

    def taken(self) -> Any:
        """The message, which is not kept any longer."""
        with self._state.condition:
            request, self._state.request = self._state.request, None
            return request


class Desk(Protocol):
    """Where the calls of some methods are answered. Asked by the polling thread alone."""

    @property
    def whole(self) -> bool:
        """Whether a request is one message, to be received first. False: the method reads a stream of them itself."""
        ...

    def refusal(self, call: Incoming, /) -> Status | None:
        """Why a call whose headers are there cannot be taken; None when it can."""
        ...

    def take(self, call: Incoming, /) -> None:
        """See that a call is answered, or refused, once it is as whole as it must be. Many may have come since its headers."""
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

    pool: RequestPool[Job]
    limit: int
    full: Status
    whole: bool = True

    def refusal(self, _call: Incoming) -> Status | None:
        """The refusal while the limit is reached."""
        return self.full if self.pool.backlog() >= self.limit else None

    def take(self, call: Incoming) -> None:
        """Hand it to a thread."""
        if self.pool.backlog() >= self.limit:
            call.refuse(self.full)
        else:
            self.pool.put(Job(call.answer_message if self.whole else call.answer, ()))


class Reception:
    """Given to `grpc.server` in place of its thread pool. Every method behind it was made by `at_desk`, or is answered at `default`, if
    there is one.

    grpcio has one polling thread, the only one that comes here: no lock is needed.
    """

    def __init__(self, default: Desk | None = None) -> None:
        self._default = default
        self.unfinished: Unfinished[Incoming] = Unfinished()

    def submit(self, run: Callable[..., None], respond: Callable[..., None], *call: Any) -> Finished:
        """What grpcio calls when the headers of a call are there. call: event, state, behavior, argument thunk, deserializer, serializer.

        The future that grpcio gets back serves it to count calls, which is not wanted here: it is over already.
        """
        desk: Desk | None = getattr(call[2], "desk", self._default)
        assert desk is not None, "a method without a desk"
        incoming = Incoming(run, respond, call, desk)
        refusal = desk.refusal(incoming)
        if refusal is not None:
            incoming.refuse(refusal)
        elif desk.whole:
            incoming.receive(self.unfinished)
        else:
            desk.take(incoming)
        return OVER


def _whole(event: Any, state: Any) -> bool:
    """Whether there is a request to answer. A caller that said it was done without having sent one is told so."""
    with state.condition:
        if not grpc_server._is_rpc_state_active(state):  # noqa: SLF001  # see above
            return False
        if state.request is None and state.client is grpc_server._CLOSED:  # noqa: SLF001  # see above
            grpc_server._abort(state, event.call, cygrpc.StatusCode.unimplemented, NO_MESSAGE.encode())  # noqa: SLF001  # see above
        return state.request is not None


def _over() -> Finished:
    finished = Finished()
    finished.announce()
    return finished


OVER = _over()
