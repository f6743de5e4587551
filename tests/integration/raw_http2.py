"""HTTP/2 by hand, for callers that no library would let misbehave so: frames are bytes, a connection is a socket, nothing is checked.

A well-behaved call, to start from:

    with RawConnection(port) as raw:
        raw.send(headers(1, "/grpc.health.v1.Health/Check"), data(1, message(b""), END_STREAM))
        assert raw.status(1) == 0
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8, 0x9  # kinds of frames
NONE, ACK, END_STREAM, END_HEADERS = 0x0, 0x1, 0x1, 0x4  # flags
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 0x1, 0x3, 0x4  # settings
CANCEL = 0x8  # an error code, of RST_STREAM and GOAWAY
NO_TABLE = {HEADER_TABLE_SIZE: 0}  # the server then names every header in full, so that one can be found without a decoder
NO_WINDOW = {**NO_TABLE, INITIAL_WINDOW_SIZE: 0}  # the server may send headers and trailers, never a byte of an answer
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Ended(Exception):
    """The other side has closed the connection."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame at all."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(stream: int, path: str, extra: Iterable[tuple[str, str | bytes]] = (), flags: int = END_HEADERS) -> bytes:
    """Begin a gRPC call of `path` with more headers after the usual ones."""
    return frame(HEADERS, flags, stream, call_block(path, extra))


def call_block(path: str, extra: Iterable[tuple[str, str | bytes]] = ()) -> bytes:
    """The header block of a gRPC call, to be cut into HEADERS and CONTINUATION frames at will."""
    usual = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "raw"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    return b"".join(literal(name, value) for name, value in (*usual, *extra))


def literal(name: str, value: str | bytes) -> bytes:
    """One header in HPACK as a literal without indexing: the server's table never comes into it."""
    raw = value if isinstance(value, bytes) else value.encode()
    return b"\x00" + _length(len(name)) + name.encode() + _length(len(raw)) + raw


def _length(count: int) -> bytes:
    """An HPACK integer with a prefix of 7 bits."""
    if count < 127:
        return bytes((count,))
    rest, out = count - 127, bytearray((127,))
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes((*out, rest))


def message(body: bytes, compressed: int = 0) -> bytes:
    """A gRPC message as it stands in DATA frames."""
    return struct.pack(">BI", compressed, len(body)) + body


def data(stream: int, payload: bytes, flags: int = NONE) -> bytes:
    """A DATA frame."""
    return frame(DATA, flags, stream, payload)


def reset(stream: int, code: int = CANCEL) -> bytes:
    """Give a stream up."""
    return frame(RST_STREAM, NONE, stream, struct.pack(">I", code))


def window_update(stream: int, increment: int) -> bytes:
    """Allow the server so many more bytes; stream 0: on the whole connection."""
    return frame(WINDOW_UPDATE, NONE, stream, struct.pack(">I", increment))


def ping(content: bytes = b"\0" * 8, flags: int = NONE) -> bytes:
    """A PING, of exactly 8 bytes by the rules."""
    return frame(PING, flags, 0, content)


def settings(values: Mapping[int, int], flags: int = NONE) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", number, value) for number, value in values.items()))


def grpc_status(block: bytes) -> int | None:
    """The status in a header block of the server's, if it has one. Only after NO_TABLE."""
    _, found, rest = block.partition(b"\x0bgrpc-status")
    return int(rest[1 : 1 + rest[0]]) if found else None


class RawConnection:
    """One connection. Sends only what it is told to; PINGs of the server stay unanswered.

    greet: send the preface and SETTINGS with `values` at once, as every HTTP/2 client must.
    acknowledge: wait for the server's SETTINGS and acknowledge them. Until then most of its limits do not hold: it may not enforce what the other
    side cannot know.
    """

    def __init__(self, port: int, values: Mapping[int, int] = NO_TABLE, greet: bool = True, acknowledge: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        if greet:
            self.send(PREFACE, settings(values))
        if acknowledge:
            while self.next_frame().kind != SETTINGS:
                pass
            self.send(settings({}, ACK))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; more than once is no harm."""
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send in one go. Raises OSError when the server has closed the connection."""
        self.socket.sendall(b"".join(pieces))

    def call(self, stream: int, path: str, body: bytes = b"", extra: Iterable[tuple[str, str | bytes]] = ()) -> None:
        """One whole unary request, as a good caller sends it."""
        self.send(headers(stream, path, extra), data(stream, message(body), END_STREAM))

    def next_frame(self, timeout_s: float = PATIENCE_S) -> Frame:
        """The next frame of the server. Raises TimeoutError, or Ended when it has closed the connection."""
        until = time.monotonic() + timeout_s
        head = self._take(9, until)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return Frame(kind, flags, stream & 0x7FFFFFFF, self._take(int.from_bytes(head[:3], "big"), until))

    def frames(self, timeout_s: float = PATIENCE_S) -> Iterator[Frame]:
        """What comes until the timeout, or until the server closes the connection."""
        until = time.monotonic() + timeout_s
        while True:
            try:
                yield self.next_frame(until - time.monotonic())
            except (TimeoutError, Ended):
                return

    def status(self, stream: int, timeout_s: float = PATIENCE_S) -> int | None:
        """The gRPC status of a call on `stream`; None when it ended without one, or nothing came in time."""
        for came in self.frames(timeout_s):
            if came.stream == stream and came.kind == HEADERS and came.flags & END_STREAM:
                return grpc_status(came.payload)
            if (came.stream == stream and came.kind == RST_STREAM) or came.kind == GOAWAY:
                return None
        return None

    def statuses(self, count: int, timeout_s: float = PATIENCE_S) -> dict[int, int | None]:
        """The gRPC status of the calls that end in that time, by stream; at most `count` of them."""
        ended: dict[int, int | None] = {}
        for came in self.frames(timeout_s):
            if came.kind == HEADERS and came.flags & END_STREAM:
                ended[came.stream] = grpc_status(came.payload)
            if len(ended) == count:
                break
        return ended

    def closed_within(self, timeout_s: float) -> bool:
        """Whether the server closes the connection in that time. What it sends before is thrown away."""
        until = time.monotonic() + timeout_s
        try:
            while True:
                self.next_frame(until - time.monotonic())
        except TimeoutError:
            return False
        except Ended:
            return True

    def _take(self, count: int, until: float) -> bytes:
        while len(self._received) < count:
            self.socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                piece = self.socket.recv(1 << 16)
            except ConnectionError:
                piece = b""
            finally:
                self.socket.settimeout(PATIENCE_S)
            if not piece:
                raise Ended
            self._received += piece
        taken, self._received = self._received[:count], self._received[count:]
        return taken
