"""The budget curve on the users of a split: what ranking less costs, against the slates that the full work gives."""

from __future__ import annotations

from domain.stages import Progress
from engine.budget_curve import BudgetCurve, measure_curve
from engine.recommend import Engine
from evaluation.protocol import evaluated_users
from evaluation.served import ServedSlates
from evaluation.split import Split


def budget_curve(engine: Engine, split: Split, thread_count: int, progress: Progress) -> BudgetCurve:
    """Over the users who are judged by held-out listens, who get the candidates that the bundle serves; what they heard in training is left out.

    Nothing is ranked twice: a score depends on its own row only, so every cut slate follows from the scores of the full one.
    """
    users = evaluated_users(split.kept, split.warm_held_out())
    count = min(engine.bundle.manifest.candidate_count, len(engine.creators))
    served = ServedSlates(engine, split, thread_count, exhaustive=False)
    return measure_curve(served.in_full(users, count, progress), count)
