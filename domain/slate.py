"""What is shown, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Removed
from domain.request import MAX_CANDIDATE_COUNT


class Stage(IntEnum):
    """The steps of one request; numbers as in the API."""

    LOOK_UP = 1
    RETRIEVE = 2
    FILTER = 3
    RANK = 4
    COMPOSE = 5


class DegradationReason(IntEnum):
    """Why less than the full work was done; numbers as in the API."""

    DEADLINE = 1
    RANKER_FAILED = 2
    RANKER_NONFINITE = 3
    OVERLOAD = 4
    FALLBACK_PROVIDER = 5


@dataclass(frozen=True, slots=True)
class Degradation:
    """A named rung: `stage` covered `served_count` of `wanted_count` rows because of `reason`."""

    stage: Stage
    reason: DegradationReason
    wanted_count: int
    served_count: int


@dataclass(frozen=True, slots=True)
class Slate:
    """Served rows in order with their scores (float32, NaN: none) and similarities.

    considered: int64, every kept candidate, no row twice; `rows` are among them, the others are the reserve.
    """

    rows: RowArray
    scores: FloatArray
    similarities: FloatArray
    considered: RowArray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def reserve_count(self) -> int:
        """How many candidates are in reserve."""
        return len(self.considered) - len(self.rows)

    def reserve(self) -> RowArray:
        """Kept candidates that are not shown, in the order of `considered`. Computed at each call: serving needs their number only."""
        return self.considered[~np.isin(self.considered, self.rows)]


@dataclass(frozen=True, slots=True)
class Profile:
    """A named way to serve within a bundle."""

    name: str = "default"
    index: str = "default"
    ranker: str = "default"
    objective: Mapping[str, float] = field(default_factory=dict)


class Plan(NamedTuple):
    """What one request can afford, as planned last. A tuple, since two are made for every request.

    remaining_s: the time that was left then; sure_s: what the planned rest of the work takes in 99 of 100 cases while `running_count` requests run.
    reason: of what the plan cuts. allowed_count: how many candidates the processor time that the request was allowed pays for.
    """

    retrieve_count: int
    rank_count: int
    remaining_s: float
    sure_s: float = 0.0
    running_count: int = 1
    reason: DegradationReason = DegradationReason.DEADLINE
    allowed_count: int = MAX_CANDIDATE_COUNT


class StageRecord(NamedTuple):
    """One stage of one request, as the trace saw it. A tuple, since five are made for every request."""

    stage: Stage
    duration_s: float
    input_count: int
    output_count: int


@dataclass(frozen=True, slots=True)
class Recommended:
    """The answer: the slate with everything that says how it came to be. `removed` + slate + reserve are exactly the retrieved rows.

    ranked_count: how many candidates the ranker scored, or tried to: none where similarity order took its place.
    """

    slate: Slate
    removed: Removed
    degradations: tuple[Degradation, ...]
    records: tuple[StageRecord, ...]
    plan: Plan
    profile: Profile
    receipt: str
    scoring_form: str
    retrieval_method: str
    retrieved_count: int
    ranked_count: int
    duration_s: float
