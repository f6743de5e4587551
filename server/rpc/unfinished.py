"""The calls whose message is on its way."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

# A good caller's message follows its headers within milliseconds; beyond this many, the oldest is none of them.
# Each costs about 10 KiB until its connection is closed for age.
MAX_UNFINISHED = 1000


class Cancelable(Protocol):
    """A call, as far as is needed here."""

    def cancel(self) -> None:
        """End it without an answer."""
        ...


AnyCall = TypeVar("AnyCall", bound=Cancelable)


class Unfinished(Generic[AnyCall]):
    """A bounded room, in which the one that came first gives way. One thread enters and leaves."""

    def __init__(self) -> None:
        self._calls: dict[AnyCall, None] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, call: AnyCall) -> None:
        """Its headers are there."""
        self._calls[call] = None
        if len(self._calls) > MAX_UNFINISHED:
            oldest = next(iter(self._calls))
            del self._calls[oldest]
            oldest.cancel()

    def leave(self, call: AnyCall) -> None:
        """Its message is there, or will never be."""
        self._calls.pop(call, None)
