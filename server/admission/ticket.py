"""One call on its way through a worker."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol


class Caller(Protocol):
    """Who may leave."""

    def active(self) -> bool:
        """Whether they still wait."""
        ...


class Ticket:
    """What is known of one call: made when it is whole, carried with it to the end. Seconds are those of one monotonic clock.

    arrived_s, deadline_s: when its headers were there, and when the engine must be done with it. grace_s: how much later is better than never.
    message: the request. batch: its priority.
    allowance_s, share_s, started_s, expected_end_s, short, alone: set when a thread takes it; short: two of its kind may share a core; alone: no
    other one ran then.
    engine_s: how long the engine took, 0 before.
    """

    __slots__ = (
        "_serve",
        "allowance_s",
        "alone",
        "arrived_s",
        "batch",
        "caller",
        "deadline_s",
        "engine_s",
        "expected_end_s",
        "grace_s",
        "message",
        "share_s",
        "short",
        "started_s",
    )

    def __init__(self, arrived_s: float, deadline_s: float, batch: bool, caller: Caller, serve: Callable[[Ticket], object]) -> None:
        self.arrived_s = arrived_s
        self.deadline_s = deadline_s
        self.batch = batch
        self.caller = caller
        self._serve = serve
        self.message: Any = None
        self.allowance_s = self.share_s = math.inf
        self.started_s = self.expected_end_s = arrived_s
        self.short = self.alone = False
        self.engine_s = self.grace_s = 0.0

    def active(self) -> bool:
        """Whether the caller still waits."""
        return self.caller.active()

    def run(self) -> None:
        """Answer it, or drop it; what a thread does."""
        self._serve(self)
