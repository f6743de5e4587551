"""What people are told about an answer when they ask for it."""

from __future__ import annotations

from domain.diagnosis import Diagnosis
from domain.slate import DegradationReason, Recommended, Stage
from engine.budget_curve import BudgetCurve
from engine.cost_model import CostModel
from engine.margin import CONFIDENCE

CUTS = (DegradationReason.DEADLINE, DegradationReason.OVERLOAD, DegradationReason.RANKER_FAILED)


def diagnose(answer: Recommended, costs: CostModel, form: str, curve: BudgetCurve | None) -> Diagnosis:
    """The costs that the worker has learned, and what the answer's cuts are likely to have cost. form: of the loaded ranker."""
    return Diagnosis(costs.lines(), CONFIDENCE, form, None if curve is None else _loss(answer, curve))


def _loss(answer: Recommended, curve: BudgetCurve) -> float:
    """By how many candidates were ranked; nothing where neither retrieval nor ranking was cut."""
    cut = any(rung.stage in (Stage.RETRIEVE, Stage.RANK) and rung.reason in CUTS for rung in answer.degradations)
    return curve.loss(answer.ranked_count) if cut else 0.0
