"""Reads messages so that bytes which are none reach our handlers: gRPC would refuse them by itself, as INTERNAL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from domain.errors import InvalidRequest


class Undecodable:
    """Stands for a request whose bytes are no message."""


UNDECODABLE = Undecodable()


def reader(kind: Any) -> Callable[[bytes], Any]:
    """Reads messages of one type: the message, or UNDECODABLE. Runs on gRPC's polling thread: short, and it never raises."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return UNDECODABLE

    return read


def decoded(message: Any) -> Any:
    """The message that a reader read. Raises InvalidRequest when it was none."""
    if isinstance(message, Undecodable):
        raise InvalidRequest
    return message
