"""What the edge asks before it takes a call, and before a thread works on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.admission.ticket import Ticket


class Costs(Protocol):
    """What the engine expects of itself; read anew for every call. Seconds."""

    @property
    def full_s(self) -> float:
        """Of a full answer."""
        ...

    @property
    def least_s(self) -> float:
        """Of the least useful one."""
        ...


@dataclass(frozen=True, slots=True)
class Gauges:
    """How the admission stands now. allowance_share: of the full answer's cost, 1: nothing is held back."""

    waiting: int = 0
    limit: int = 0
    interactive_per_s: float = 0.0
    batch_per_s: float = 0.0
    allowance_share: float = 1.0


class Policy(Protocol):
    """Decides. `open_to` and `admits` are asked by the polling thread alone; `start` and `finish` by the thread that takes the call."""

    @property
    def refuses_batch(self) -> bool:
        """Whether the last batch call was turned away: then it is worth while to look at what the headers say of the next one."""
        ...

    def open_to(self, now_s: float, deadline_s: float, batch: bool, /) -> bool:
        """Whether a call of which only the headers are there can be taken at all; batch: they say so. False counts it as refused."""
        ...

    def admits(self, now_s: float, ticket: Ticket, /) -> bool:
        """Whether a whole call is taken."""
        ...

    def reconsiders(self, now_s: float, deadline_s: float, batch: bool, /) -> bool:
        """Whether a call that was just turned away is taken after all, now that the dead have been swept out of the line."""
        ...

    def start(self, now_s: float, ticket: Ticket, /) -> bool:
        """Set the terms of a call that waits no longer. False: there is no time left for it."""
        ...

    def finish(self, now_s: float, ticket: Ticket, /) -> None:
        """It is over."""
        ...

    def pause_s(self) -> float:
        """How long a call may wait to be looked at while others are refused."""
        ...

    def gauges(self, now_s: float, /) -> Gauges:
        """For whoever watches."""
        ...
