"""What people are told about an answer beyond the answer: computed when they ask for it, never on the way of a request."""

from __future__ import annotations

from dataclasses import dataclass

from domain.slate import Stage


@dataclass(frozen=True, slots=True)
class CostLine:
    """The cost of a stage of width n while k requests run: `(fixed_s + per_row_s * n) * (1 + share * (k - 1))` seconds.

    stage: None for everything that is no stage of its own. method: which of several ways, "" for the usual one. sure_s: what the usual width takes in
    99 of 100 cases while nothing else runs.
    """

    stage: Stage | None
    method: str
    fixed_s: float
    per_row_s: float
    share: float
    sure_s: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """costs: what the worker has learned about its stages. confidence: of plans. form: of the ranker that plans are made for.
    estimated_loss: of NDCG@20 through ranking less than the full work, 0 to 1; None where the bundle brings no budget curve."""

    costs: tuple[CostLine, ...] = ()
    confidence: float = 0.0
    form: str = ""
    estimated_loss: float | None = None
