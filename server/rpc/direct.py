"""The calls of one method, straight from gRPC's completion queue: the way that is paid for by every request.

grpcio's own way makes of each call a state with a context, a condition and three sets, looks its method up twice, and starts a batch of operations
for a call before the one that refuses it. For health and reflection that does not matter. Here the thread that polls makes of a call what its desk
needs, and hands everything else that it finds in the queue to grpcio. What is used of grpcio's inside is marked where it is used
(docs/adr/0009-reception.md); the lock pins its version, and tests/unit/server/test_reception.py fails when a new one differs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import MethodType
from typing import Any, Protocol, cast

import grpc
from grpc import _server as grpc_server
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.errors import Status
from server.rpc.unfinished import Unfinished
from server.telemetry.logs import LOGGER

POLL_S = 1.0  # as grpcio's loop: a server that nobody holds any more ends within that time
STARTED = grpc_server._ServerStage.STARTED  # noqa: SLF001  # see above
NO_MESSAGE = "the method wants exactly one request message"
_NO_MESSAGE = Status(grpc.StatusCode.UNIMPLEMENTED, NO_MESSAGE, ())


class DirectCall:
    """One call. `refuse` and `reply`: one of them, once; both from any thread. Everything else is for the polling thread, but `active`.

    arrived_s, deadline_s: room for the desk to note, by its own clock, when the headers came and until when the call must be answered.
    """

    __slots__ = ("_answered", "_closed", "_event", "_front", "_left", "_receiving", "_sending", "_watched", "arrived_s", "deadline_s")

    def __init__(self, event: Any, front: Front) -> None:
        self._event, self._front = event, front
        self.arrived_s = self.deadline_s = 0.0
        self._watched = False  # gRPC tells when it is over; before, whoever answers has to ask for that
        self._receiving = self._answered = self._sending = self._closed = self._left = False

    def time_left_s(self) -> float:
        """Until the caller's deadline, by the wall clock, which may jump: ask once. Negative when it has passed."""
        left_s: float = self._event.call_details.deadline - time.time()
        return left_s

    def metadata(self, key: str) -> str:
        """What the caller sent under a key; empty without."""
        return next((value for name, value in self._event.invocation_metadata or () if name == key), "")

    def active(self) -> bool:
        """Whether the caller still waits. Costs no lock: two looks, of which each is whole."""
        return not (self._left or self._answered)

    def receive(self) -> None:
        """Let the message come. Whether the caller has left meanwhile is known before: the dead of a flood of resets wait in no line."""
        self._watched = self._receiving = True
        start = self._event.call.start_server_batch
        start((cygrpc.ReceiveCloseOnServerOperation(0),), self._told)
        start((cygrpc.ReceiveMessageOperation(0),), self._received)
        self._front.unfinished.enter(self)

    def cancel(self) -> None:
        """End it without an answer."""
        self._event.call.cancel()

    def refuse(self, refusal: Status) -> None:
        """Answer with a status."""
        status = cygrpc.SendStatusFromServerOperation(refusal.trailing_metadata, refusal.number, refusal.encoded_details, 0)
        self._send(cygrpc.SendInitialMetadataOperation(None, 0), status)

    def reply(self, argument: Any) -> None:
        """Answer with what the method makes of it: a serialised message, or a Status."""
        answer = self._front.method(argument)
        if isinstance(answer, Status):
            self.refuse(answer)
        else:
            status = cygrpc.SendStatusFromServerOperation(None, cygrpc.StatusCode.ok, b"", 0)
            self._send(cygrpc.SendInitialMetadataOperation(None, 0), cygrpc.SendMessageOperation(answer, 0), status)

    def _send(self, *operations: Any) -> None:
        """The lock is given back before the answer leaves: that wakes the polling thread, which goes first and would wait for it."""
        with self._front.lock:
            if self._left or self._answered:
                return
            self._answered = self._sending = True
        if not self._watched:
            operations = (*operations, cygrpc.ReceiveCloseOnServerOperation(0))
        self._event.call.start_server_batch(operations, self._sent)

    # What follows is called by the polling thread with an event of gRPC; True: the call is over.

    def _received(self, event: Any) -> bool:
        self._front.unfinished.leave(self)
        self._receiving = False
        if self._left:
            return True
        data = event.batch_operations[0].message()
        if data is None:
            self.refuse(_NO_MESSAGE)
        else:
            self._front.desk.take(self, self._front.deserialize(data))
            self._front.refused |= self._answered
        return False

    def _told(self, event: Any) -> bool:
        with self._front.lock:
            self._closed, self._left = True, event.batch_operations[0].cancelled()
            return not (self._sending or self._receiving)

    def _sent(self, _event: Any) -> bool:
        self._sending = False
        return self._closed or not self._watched


class DirectDesk(Protocol):
    """Where the calls are answered. Asked by the polling thread alone."""

    def refusal(self, call: DirectCall, /) -> Status | None:
        """Why a call whose headers are there cannot be taken; None when it can."""
        ...

    def pause_s(self) -> float:
        """Asked after refusals, when the queue is empty: for how long nobody looks who comes. Waking up for each costs more than refusing them."""
        ...

    def take(self, call: DirectCall, message: Any, /) -> None:
        """See that a call is answered, or refused, now that its message is there, deserialised. Many may have come since its headers."""
        ...


class Front:
    """Serves one method of a server directly, and the others by grpcio. Made before `start`, which takes the place of the server's own.

    method: what a desk's `reply` calls, on any thread; returns the serialised answer or a Status, and never raises.
    deserialize: runs on the polling thread: short, and it never raises.
    """

    def __init__(
        self, server: grpc.Server, name: str, method: Callable[[Any], bytes | Status], deserialize: Callable[[bytes], Any], desk: DirectDesk
    ) -> None:
        self.method, self.deserialize, self.desk = method, deserialize, desk
        self.unfinished: Unfinished[DirectCall] = Unfinished()
        self.lock = threading.Lock()
        self.refused = False  # somebody was turned away since the queue was last empty; for the polling thread
        self._name = f"/{name}"
        service, _, short = name.partition("/")
        server.add_registered_method_handlers(service, {short: grpc.unary_unary_rpc_method_handler(_never)})
        self._state: Any = server._state  # type: ignore[attr-defined]  # noqa: SLF001  # its queue, its lock, and what keeps it from ending

    def start(self) -> None:
        """As `grpc._server._start`, with a loop of our own."""
        state = self._state
        with state.lock:
            state.server.start()
            state.stage = STARTED
            grpc_server._request_registered_call(state, self._name)  # noqa: SLF001  # see above
            grpc_server._request_call(state)  # noqa: SLF001  # see above
        threading.Thread(target=self._serve, name="polling", daemon=True).start()

    def _serve(self) -> None:
        """As `grpc._server._serve`."""
        state, name = self._state, self._name
        poll, others = state.completion_queue.poll, grpc_server._process_event_and_continue  # noqa: SLF001  # see above
        goes_on = True
        while goes_on:
            event = poll(0.0 if self.refused else time.time() + POLL_S)
            tag = event.tag
            try:
                if type(tag) is MethodType:  # an operation of one of our calls is done; grpcio's tags are functions, names and objects
                    goes_on = not tag(event) or self._over(cast("DirectCall", tag.__self__))
                elif tag == name:
                    goes_on = self._take(event)
                elif event.completion_type != cygrpc.CompletionType.queue_timeout:
                    goes_on = others(state, event)
                elif self.refused:  # and now the queue is empty
                    self.refused = False
                    time.sleep(self.desk.pause_s())
                elif state.server_deallocated:
                    grpc_server._begin_shutdown_once(state)  # noqa: SLF001  # see above
            except Exception:  # noqa: BLE001  # what goes wrong with one call must not take the polling thread with it
                LOGGER.log(logging.ERROR, "a call was lost", exc_info=True)
            event = tag = None  # an event that lives while its call ends makes gRPC spin

    def _over(self, call: DirectCall) -> bool:
        """False: that was the last thing this server had to do. While it is not stopped, nobody waits for that."""
        self._state.rpc_states.discard(call)
        return self._state.stage is STARTED or self._is_needed()

    def _is_needed(self) -> bool:
        with self._state.lock:
            return not grpc_server._stop_serving(self._state)  # noqa: SLF001  # see above

    def _take(self, event: Any) -> bool:
        """A call has come, or the server is being stopped: then gRPC gives back the request for one, and False means that this was the last thing."""
        state, name = self._state, self._name
        with state.lock:  # the next one first: nothing that goes wrong with this call may keep the server from others
            if state.stage is STARTED:  # the name stays among what is due
                state.server.request_registered_call(state.completion_queue, state.completion_queue, name, name)
            else:
                state.due.remove(name)
        if not event.success:
            return self._is_needed()
        call = DirectCall(event, self)
        state.rpc_states.add(call)
        refusal = self.desk.refusal(call)
        if refusal is None:
            call.receive()
        else:
            self.refused = True
            call.refuse(refusal)
        return True


def _never(_request: object, _context: grpc.ServicerContext) -> object:
    raise AssertionError("grpcio is never asked for this method")
