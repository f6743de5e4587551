"""One rate for one stretch of time: what is asked for, and what became of each call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

CANCELED = "CANCELED"  # by the generator, as it was told to
NOT_SENT = "NOT_SENT"  # the generator was so late that the deadline had passed already
REFUSED_LOCALLY = "REFUSED_LOCALLY"  # by the client's own throttle
OK = "OK"


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked for. The first `warm_up_s` of calls are made and not counted; `duration_s` of them follow.

    cooperative: whether the client retries and throttles, as it does by default; False: one attempt per call, whatever the server says.
    users_file: "" for the demo's listeners. seed: of all moments and requests. plain: first pages of listed users and nothing else, all alike but for
    the user. priority: "batch" where nobody waits. steps: (moment from the start in seconds, factor on the rate), ascending, for a rate that changes.
    cancel_after_s: give up each call so long after it was sent. keeps_slates: the samples say what was answered to whom; of plain trials.
    """

    target: str
    rate_per_s: float
    duration_s: float
    warm_up_s: float = 1.0
    deadline_s: float = 0.1
    seed: int = 100
    process_count: int = 1
    connection_count: int = 16
    cooperative: bool = False
    users_file: str = ""
    plain: bool = False
    priority: str = ""
    steps: tuple[tuple[float, float], ...] = ()
    cancel_after_s: float | None = None
    keeps_slates: bool = False


@dataclass(slots=True)
class Samples:
    """What became of the calls, in columns; one entry per planned call, in the order of their endings.

    planned_s: from the start of the trial. late_s: how much later it was sent. latency_s: from the planned moment to the end.
    outcome: "OK", a status with Earshot's reason, NOT_SENT, REFUSED_LOCALLY or CANCELED. degradations: names with commas between them.
    slates: the user's id and those shown, with blanks between them; empty where they were not kept or there was no answer.
    """

    planned_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)
    degradations: list[str] = field(default_factory=list)
    slates: list[str] = field(default_factory=list)
    attempt_count: int = 0  # the client's own count, warm-up included
    cpu_s: float = 0.0  # of the sender, from its first planned call to its last answer

    def add(self, planned_s: float, late_s: float, latency_s: float, outcome: str, degradations: str = "", slate: str = "") -> None:
        """One call."""
        for column, value in ((self.planned_s, planned_s), (self.late_s, late_s), (self.latency_s, latency_s)):
            column.append(value)
        for texts, text in ((self.outcome, outcome), (self.degradations, degradations), (self.slates, slate)):
            texts.append(text)

    @property
    def count(self) -> int:
        """Planned calls."""
        return len(self.planned_s)

    def measured(self, warm_up_s: float) -> Samples:
        """Those planned after the warm-up."""
        kept = Samples(attempt_count=self.attempt_count, cpu_s=self.cpu_s)
        for row in zip(self.planned_s, self.late_s, self.latency_s, self.outcome, self.degradations, self.slates, strict=True):
            if row[0] >= warm_up_s:
                kept.add(*row)
        return kept


def merged(parts: Iterable[Samples]) -> Samples:
    """The samples of several senders as one."""
    whole = Samples()
    for part in parts:
        for name, value in asdict(part).items():
            setattr(whole, name, getattr(whole, name) + value)
    return whole
