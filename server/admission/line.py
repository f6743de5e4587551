"""The calls that wait for a thread."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from itertools import count

from domain.deadline import Clock
from server.admission.ticket import Ticket

Entry = tuple[float, int, Ticket]
OVERDUE_S = 0.1  # past its deadline a call hangs in native code: it holds its thread, but no place among those that run


class WaitingLine:
    """Interactive calls before batch, and of each the one whose deadline is nearest: with one that serves, no other order is late less often.

    At most `limit()` run at a time, twice as many of the short ones, and at most one batch call while the limit is small. For `put`, `take`, `done`
    and `sweep` the pool holds its lock; `ahead_of`, `deadlines_s`, `rest_s` and the lengths are looks that any thread may take, and may be one off.
    """

    def __init__(self, limit: Callable[[], int], clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._interactive: list[Entry] = []
        self._batch: list[Entry] = []
        self._running: dict[Ticket, None] = {}
        self._order = count()
        self._since_s = [0.0, 0.0]  # when somebody began to wait where nobody did: interactive, batch

    def __len__(self) -> int:
        return len(self._interactive) + len(self._batch)

    @property
    def empty(self) -> bool:
        """Whether nobody waits."""
        return not (self._interactive or self._batch)

    def waiting(self, batch: bool) -> int:
        """How many of that kind wait."""
        return len(self._batch if batch else self._interactive)

    @property
    def running(self) -> int:
        """How many run."""
        return len(self._running)

    def standing_s(self, now_s: float, batch: bool) -> float:
        """For how long somebody of that kind has been waiting without a break."""
        return now_s - self._since_s[batch] if self.waiting(batch) else 0.0

    def put(self, ticket: Ticket) -> None:
        """Let a call wait."""
        line = self._batch if ticket.batch else self._interactive
        if not line:
            self._since_s[ticket.batch] = self._clock()
        insort(line, (ticket.deadline_s, next(self._order), ticket))

    def take(self) -> Ticket | None:
        """The call that runs next; None when nobody waits, or as many run as may."""
        if not (self._interactive or self._batch):
            return None
        if self._running and not self._room():
            return None
        _, _, ticket = (self._interactive or self._batch).pop(0)
        self._running[ticket] = None
        return ticket

    def _room(self) -> bool:
        now_s, limit, places, batch = self._clock(), self._limit(), 0.0, 0
        for ticket in self._running:
            if now_s < ticket.deadline_s + OVERDUE_S:
                places += 0.5 if ticket.short else 1.0
                batch += ticket.batch
        return places + 0.5 <= limit and (bool(self._interactive) or batch < max(1, limit // 2))

    def done(self, ticket: Ticket) -> None:
        """It has been answered, or dropped."""
        del self._running[ticket]

    def ahead_of(self, deadline_s: float, batch: bool) -> int:
        """How many of those that wait go before a call with that deadline."""
        if batch:
            return len(self._interactive) + bisect_left(self._batch, (deadline_s,))
        return bisect_left(self._interactive, (deadline_s,))

    def deadlines_s(self, batch: bool, most: int) -> list[float]:
        """The nearest deadlines of those of that kind that wait, ascending."""
        return [entry[0] for entry in (self._batch if batch else self._interactive)[:most]]

    def rest_s(self, now_s: float) -> float:
        """Seconds that those which run are still expected to take, together."""
        return sum(max(0.0, ticket.expected_end_s - now_s) for ticket in list(self._running) if now_s < ticket.deadline_s + OVERDUE_S)

    def sweep(self) -> None:
        """Forget those whose callers have gone."""
        for line in (self._interactive, self._batch):
            line[:] = [entry for entry in line if entry[2].active()]
