"""How a call fails: by the server's word, or by this client's own before anything was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

RpcError = grpc.RpcError  # what a failed call raises, for callers that do not use grpc otherwise

DOMAIN = "earshot"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
NO_RETRY_MS = -1  # what a pushback that forbids retries, or makes no sense, is read as


class RefusedLocally(grpc.RpcError):
    """This client refused the call: the server refused most of the last ones, and one more would only cost it work. Nothing was sent.

    It has the methods of a failed call, so that code which handles an UNAVAILABLE handles it too; `isinstance` tells it from the server's own.
    probability: that with which a call is refused at this moment.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability
        super().__init__(self.details())

    def code(self) -> grpc.StatusCode:
        """UNAVAILABLE, as the server would most likely have said."""
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        """What happened, for a person."""
        return f"refused by this client with probability {self.probability:.2f}, since the server refuses most calls; fall back, or call later"

    def initial_metadata(self) -> tuple[Any, ...]:
        """Empty: no server said anything."""
        return ()

    def trailing_metadata(self) -> tuple[Any, ...]:
        """Empty: no server said anything."""
        return ()


def explain(error: grpc.RpcError) -> str:
    """One line for a person: the canonical code, the server's own words, and Earshot's reason where it has one."""
    code, details = (getattr(error, name, lambda: None)() for name in ("code", "details"))
    reason = reason_of(error)
    return f"{code.name if code is not None else 'UNKNOWN'}{f' ({reason})' if reason else ''}: {details or 'no details'}"


def reason_of(error: grpc.RpcError) -> str:
    """The reason of an error by Earshot's own handlers, such as "UNKNOWN_USER"; empty when something else refused the call."""
    info = error_info_of(error)
    return info.reason if info is not None else ""


def error_info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """What Earshot says about an error, its metadata included; None when something else refused the call."""
    for key, value in _trailers(error):
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN:
                    return info
    return None


def pushback_ms_of(error: grpc.RpcError) -> int | None:
    """The wait that the server asks for; None when it asks for none; NO_RETRY_MS when it forbids another attempt (gRFC A6: or writes nonsense)."""
    for key, value in _trailers(error):
        if key == PUSHBACK_KEY:
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
            return int(text) if text.isascii() and text.isdigit() else NO_RETRY_MS
    return None


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The canonical code; UNKNOWN of an error without one."""
    code = getattr(error, "code", lambda: None)()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _trailers(error: grpc.RpcError) -> Iterator[tuple[str, str | bytes]]:
    found: Iterable[tuple[str, str | bytes]] = getattr(error, "trailing_metadata", tuple)() or ()
    yield from found
