"""The simple policies: a bound on the number that waits, or none. To compare with, and to fall back to."""

from __future__ import annotations

from collections.abc import Sized

from server.admission.policy import Gauges
from server.admission.ticket import Ticket


class BoundedPolicy:
    """Takes calls while fewer than `most` wait, in the order in which they come; all threads answer, all in full. most: math.inf for no bound."""

    def __init__(self, line: Sized, most: float, thread_count: int) -> None:
        self._line = line
        self._most = most
        self._thread_count = thread_count

    refuses_batch = False  # all wait alike

    def open_to(self, _now_s: float, _deadline_s: float, _batch: bool) -> bool:
        """While there is room."""
        return len(self._line) < self._most

    def admits(self, _now_s: float, _ticket: Ticket) -> bool:
        """While there is room: many may have come since the headers."""
        return len(self._line) < self._most

    def reconsiders(self, _now_s: float, _deadline_s: float, _batch: bool) -> bool:
        """Nobody is swept out of a line that is served in order."""
        return False

    def start(self, now_s: float, ticket: Ticket) -> bool:
        """Whatever the load is, it gets all the time that it has."""
        return now_s < ticket.deadline_s

    def finish(self, _now_s: float, _ticket: Ticket) -> None:
        """Nothing is learned."""

    def pause_s(self) -> float:
        """Not at all."""
        return 0.0

    def gauges(self, _now_s: float) -> Gauges:
        """For whoever watches."""
        return Gauges(len(self._line), self._thread_count)
