"""The attacks: each one abuses HTTP/2 or the connection itself, for some seconds, and says how much it got done.

An attack that is thrown out comes back with a new connection. None of them waits for the server more than its socket makes it.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.raw_http2 import (
    CONTINUATION,
    END_STREAM,
    HEADERS,
    NO_TABLE,
    NO_WINDOW,
    NONE,
    Ended,
    RawConnection,
    call_block,
    data,
    frame,
    headers,
    literal,
    message,
    ping,
    reset,
    settings,
)

WATCH = "/grpc.health.v1.Health/Watch"
RECOMMEND = "/earshot.v1.RecommendationService/RecommendCreators"
REQUEST = pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0001")).SerializeToString()
WHOLE = (headers(1, RECOMMEND), data(1, message(REQUEST), END_STREAM))
BATCH = 200  # streams, or frames, per send()
STREAMS = range(1, 200, 2)  # of one connection, as many as the server allows
MAX_STREAM = 2**31 - 1
PAUSE_S = 0.01  # before coming back after having been thrown out, or looking again


@dataclass(slots=True)
class Deeds:
    """What an attack did. count: of its unit (streams reset, pings, connections ...)."""

    count: int = 0
    connections: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Of the count; 0 when nothing was done."""
        return self.count / self.seconds if self.seconds else 0.0


Attack = Callable[[int, float], Deeds]


def reset_whole_requests(port: int, seconds: float) -> Deeds:
    """Rapid reset: whole requests on one connection, each given up at once."""
    return _flood_of_streams(port, seconds, WHOLE)


def reset_unacknowledged(port: int, seconds: float) -> Deeds:
    """The same by an attacker who never acknowledges the server's settings, so that its limit on streams does not hold yet."""
    return _flood_of_streams(port, seconds, WHOLE, acknowledge=False)


def reset_later(port: int, seconds: float) -> Deeds:
    """The same, with as many requests open as the server allows at any time: some reach a thread before they are given up."""
    return _flood_of_streams(port, seconds, WHOLE, lag=len(STREAMS) - 5)


def reset_headers(port: int, seconds: float) -> Deeds:
    """Rapid reset with nothing but headers: the cheapest for the attacker."""
    return _flood_of_streams(port, seconds, (headers(1, RECOMMEND),))


def unknown_methods(port: int, seconds: float) -> Deeds:
    """Calls of a method that is not there, each given up at once."""
    return _flood_of_streams(port, seconds, (headers(1, "/no/Such"),))


def pings(port: int, seconds: float) -> Deeds:
    """PING flood."""
    return _flood(port, seconds, ping() * BATCH)


def settings_frames(port: int, seconds: float) -> Deeds:
    """SETTINGS flood: each wants an acknowledgement."""
    return _flood(port, seconds, settings({}) * BATCH)


def continuations(port: int, seconds: float) -> Deeds:
    """A header block that never ends: CONTINUATION after CONTINUATION, 16 KiB each, by an attacker whom the limit on metadata does not bind yet."""
    filler = literal("x", "v" * 16_378)
    assert len(filler) == 16_384, "the longest frame that a server must take"
    return _flood(port, seconds, frame(CONTINUATION, NONE, 1, filler) * 4, opening=frame(HEADERS, NONE, 1, call_block(RECOMMEND)))


def connects(port: int, seconds: float) -> Deeds:
    """A new connection a thousand times a second, closed as soon as it has introduced itself."""
    deeds, started = Deeds(), time.monotonic()
    while (elapsed_s := time.monotonic() - started) < seconds:
        if deeds.count > elapsed_s * 1000:
            time.sleep(0.001)
            continue
        with suppress(OSError), RawConnection(port):
            deeds.count += 1
    deeds.connections, deeds.seconds = deeds.count, time.monotonic() - started
    return deeds


def silent_sockets(port: int, seconds: float) -> Deeds:
    """Connections that never say a word. count: those that the server closed in that time."""
    with ExitStack() as stack:
        opened = [stack.enter_context(RawConnection(port, greet=False)) for _ in range(200)]
        time.sleep(seconds)
        return Deeds(sum(_closed(one.socket) for one in opened), len(opened), seconds)


def answers_without_window(port: int, seconds: float) -> Deeds:
    """A hundred whole requests a second whose answers can never be sent."""
    streams = range(1, 20, 2)  # ten per connection: more would be a test of the server's capacity
    whole = [headers(stream, RECOMMEND) + data(stream, message(REQUEST), END_STREAM) for stream in streams]
    return _held(port, seconds, whole, NO_WINDOW)


def requests_without_message(port: int, seconds: float) -> Deeds:
    """Headers of calls whose message never comes."""
    return _held(port, seconds, [headers(stream, RECOMMEND) for stream in STREAMS], NO_TABLE)


def watches_without_window(port: int, seconds: float) -> Deeds:
    """Health watches whose answers can never be sent."""
    return _held(port, seconds, [headers(stream, WATCH) + data(stream, message(b""), END_STREAM) for stream in STREAMS], NO_WINDOW)


ATTACKS: dict[str, Attack] = {
    "reset whole requests": reset_whole_requests,
    "reset unacknowledged": reset_unacknowledged,
    "reset later": reset_later,
    "reset headers": reset_headers,
    "reset unknown methods": unknown_methods,
    "PING flood": pings,
    "SETTINGS flood": settings_frames,
    "CONTINUATION flood": continuations,
    "1,000 connects per second": connects,
    "silent sockets": silent_sockets,
    "answers without window": answers_without_window,
    "requests without message": requests_without_message,
    "watches without window": watches_without_window,
}


def _flood_of_streams(port: int, seconds: float, opening: tuple[bytes, ...], lag: int = 0, acknowledge: bool = True) -> Deeds:
    """Open stream after stream on one connection and reset each one `lag` streams later, BATCH streams per send(). count: streams reset."""
    frames = (*opening, reset(1))
    lags = [0] * len(opening) + [lag]
    batch = np.frombuffer(b"".join(frames) * BATCH, np.uint8).reshape(BATCH, -1).copy()
    starts = np.cumsum([0, *map(len, frames)])[:-1].tolist()
    deeds, started = Deeds(), time.monotonic()
    while time.monotonic() - started < seconds:
        with _connection(port, deeds, acknowledge) as raw:
            raw.send(*(_on_stream(number, opening) for number in range(1, 2 * lag, 2)))
            for first in range(2 * lag + 1, MAX_STREAM - 2 * BATCH, 2 * BATCH):
                for start, late in zip(starts, lags, strict=True):
                    batch[:, start + 5 : start + 9] = _numbers(first - 2 * late)
                raw.send(batch.tobytes())
                _discard(raw.socket)
                deeds.count += BATCH
                if time.monotonic() - started >= seconds:
                    break
    deeds.seconds = time.monotonic() - started
    return deeds


def _numbers(first: int) -> NDArray[np.uint8]:
    """BATCH stream numbers as they stand in frames' headers, bytes 5 to 8."""
    return np.arange(first, first + 2 * BATCH, 2, dtype=">u4").view(np.uint8).reshape(BATCH, 4)


def _on_stream(number: int, frames: tuple[bytes, ...]) -> bytes:
    return b"".join(one[:5] + struct.pack(">I", number) + one[9:] for one in frames)


def _flood(port: int, seconds: float, burst: bytes, opening: bytes = b"") -> Deeds:
    """The same bytes again and again. count: frames."""
    frames = _frame_count(burst)
    deeds, started = Deeds(), time.monotonic()
    while time.monotonic() - started < seconds:
        with _connection(port, deeds) as raw:
            raw.send(opening)
            while time.monotonic() - started < seconds:
                raw.send(burst)
                _discard(raw.socket)
                deeds.count += frames
    deeds.seconds = time.monotonic() - started
    return deeds


def _held(port: int, seconds: float, calls: list[bytes], values: dict[int, int]) -> Deeds:
    """Ten connections a second, each opens `calls` and then holds them open until the end. count: calls."""
    deeds, started = Deeds(), time.monotonic()
    with ExitStack() as stack:
        while (elapsed_s := time.monotonic() - started) < seconds:
            if deeds.connections > elapsed_s * 10:
                time.sleep(PAUSE_S)
                continue
            with suppress(OSError, Ended):
                raw = stack.enter_context(RawConnection(port, values, acknowledge=True))
                raw.send(*calls)
                deeds.connections += 1
                deeds.count += len(calls)
        deeds.seconds = time.monotonic() - started
    return deeds


@contextmanager
def _connection(port: int, deeds: Deeds, acknowledge: bool = False) -> Iterator[RawConnection]:
    """A connection whose end, from either side, is no surprise."""
    try:
        with RawConnection(port, acknowledge=acknowledge) as raw:
            deeds.connections += 1
            yield raw
    except (OSError, Ended):
        time.sleep(PAUSE_S)


def _discard(connected: socket.socket) -> None:
    """Read what is there, so that the server never has to wait for us. Raises OSError once it has closed the connection."""
    while select.select([connected], [], [], 0)[0]:
        if not connected.recv(1 << 18):
            raise ConnectionResetError


def _closed(connected: socket.socket) -> bool:
    try:
        _discard(connected)
    except OSError:
        return True
    return False


def _frame_count(burst: bytes) -> int:
    count = place = 0
    while place < len(burst):
        count, place = count + 1, place + 9 + struct.unpack(">I", b"\0" + burst[place : place + 3])[0]
    return count
