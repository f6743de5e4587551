"""The small interfaces of the stages. Each call runs on the request's own thread, once per request, several requests at a time:
implementations are immutable after construction and keep no state between calls. None of them reads a clock, a random generator, the
environment or a metrics registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.candidates import Candidates, Ranked, Removed
from domain.columns import InputSchema
from domain.deadline import Deadline
from domain.request import CandidateFilter, User
from domain.slate import Slate


class Restriction(Protocol):
    """Which rows of the catalogue one request may show. Made once per request."""

    @property
    def restricts(self) -> bool:
        """False when the whole catalogue may be shown, so that nothing needs to be looked at."""
        ...

    def allows(self, rows: RowArray) -> BoolArray:
        """Per row, whether it may be shown: bool, aligned with `rows`."""
        ...

    def split(self, candidates: Candidates) -> tuple[Candidates, Removed]:
        """(kept, removed): every candidate is in exactly one of them; kept keeps its order. Idempotent."""
        ...

    def allowed_rows(self) -> RowArray | None:
        """All rows that may be shown, int64 ascending; None when that is the whole catalogue."""
        ...

    def allowed_mask(self) -> BoolArray | None:
        """The same as bits: bool [N]; None when that is the whole catalogue."""
        ...

    def allowed_count(self) -> int:
        """About how many rows may be shown, for planning; costs nothing."""
        ...

    def reach(self, count: int) -> int:
        """About how many of the most similar creators have to be looked through to find `count` that may be shown, for planning."""
        ...


class UserSource(Protocol):
    """Finds listed users."""

    def look_up(self, user_id: str, deadline: Deadline) -> User | None:
        """The user with stored embedding, features and followed rows (no context), or None. Never raises for an unknown id."""
        ...


class CandidateSource(Protocol):
    """Finds the creators most similar to a query."""

    def retrieve(self, query: FloatArray, count: int, deadline: Deadline) -> Candidates:
        """The `count` (>= 0) most similar creators, or all of them when fewer exist.

        query: float32 [D] as given (not normalised). Never raises because fewer than `count` are left.
        """
        ...


class Ranker(Protocol):
    """Scores candidates."""

    @property
    def schema(self) -> InputSchema:
        """What callers may send for this ranker."""
        ...

    def rank(self, user: User, candidates: Candidates, top_count: int, objective: Mapping[str, float], deadline: Deadline) -> Ranked:
        """Score all candidates; `order` of the answer holds at least min(top_count, n) positions.

        Row law: as many scores as candidates, each depending on its own row only. Raises InvalidRequest when a value that the ranker needs was
        neither stored nor sent and has no default; anything else it raises is a StageFailure to the wrapper.
        """
        ...


class Composer(Protocol):
    """Chooses what is shown."""

    def compose(self, ranked: Ranked, page_size: int) -> Slate:
        """At most `page_size` rows in order; all other candidates are the reserve."""
        ...


@dataclass(frozen=True, slots=True)
class RetrievalAnswer:
    """What a Retriever found: candidates before filtering, and the method ("index" or "exact")."""

    found: Candidates
    method: str


class Retriever(Protocol):
    """Stage 1: plans between the sources, over-fetching so that enough candidates survive the restriction."""

    def restrict(self, wanted: CandidateFilter, user: User) -> Restriction:
        """The rows this request may show."""
        ...

    def retrieve(self, query: FloatArray, count: int, restriction: Restriction, exact: bool, deadline: Deadline) -> RetrievalAnswer:
        """Candidates of which `count` are allowed by `restriction`, or all allowed ones when fewer exist. May hold rows that are not allowed."""
        ...


class Progress(Protocol):
    """Where long work reports how far it is. Build code calls it; the command line draws it."""

    def start(self, task: str, total: int) -> None:
        """Begin a task of `total` units, ending the one before."""
        ...

    def advance(self, done: int) -> None:
        """`done` more units are finished."""
        ...
