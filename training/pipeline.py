"""From listens to towers and a ranker: what is fitted on what, on one screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from domain.listens import Listens, SideTables
from domain.stages import Progress
from training.fit_ranker import FittedRanker, RankerOptions, fit_ranker, score, slate_ndcg
from training.fit_towers import FittedTowers, TowerOptions, fit_towers
from training.folds import make_fold
from training.knowledge import Knowledge, learn
from training.slates import Slates, make_slates
from training.watch import watch_recall


@dataclass(frozen=True)
class TrainingOptions:
    """seed: of everything that is drawn. folds: inner cuts that the ranker learns from. candidates: per slate, as serving will retrieve."""

    seed: int = 0
    folds: int = 2
    candidates: int = 300
    towers: TowerOptions = field(default_factory=TowerOptions)
    ranker: RankerOptions = field(default_factory=RankerOptions)

    def to_json(self) -> dict[str, Any]:
        """All of it, for the run directory."""
        return asdict(self)


@dataclass(frozen=True)
class Trained:
    """What comes out: the knowledge of all listens given, the towers on it, the ranker; curves and figures of the inner folds."""

    known: Knowledge
    towers: FittedTowers
    ranker: FittedRanker
    curves: dict[str, Any]
    metrics: dict[str, Any]


def train(listens: Listens, side: SideTables, options: TrainingOptions, progress: Progress) -> Trained:
    """Fit everything. `listens` and `side` are all that is used: what was held out from them before is nowhere else to be found."""
    busiest = int(np.bincount(listens.users).max(initial=0))
    options = replace(options, candidates=min(options.candidates, len(listens.creator_ids) - busiest))  # there must be as many to show
    slates, tower_curves = [], []
    for number in range(options.folds):
        fold_slates, curve = _fold(listens, side, number, options, progress)
        slates.append(fold_slates)
        tower_curves.append(curve)
    ranker = fit_ranker(slates, options.seed, options.ranker, progress)
    known = learn(listens, side, options.seed)
    towers = fit_towers(known, options.seed, options.towers, progress)
    metrics = {"inner_ndcg_of_similarity": [slate_ndcg(s.features[:, :, 4], s) for s in slates]}
    metrics["inner_ndcg_of_ranker"] = [slate_ndcg(score(ranker.model, s.features), s) for s in slates]
    return Trained(known, towers, ranker, {"towers": [*tower_curves, towers.curve], "ranker": ranker.curves}, metrics)


def _fold(listens: Listens, side: SideTables, number: int, options: TrainingOptions, progress: Progress) -> tuple[Slates, list[dict[str, float]]]:
    """The slates of one inner fold: everything that scores them was fitted on the rest of it."""
    fold = make_fold(listens, side, options.seed * 1_000 + number)
    known = learn(fold.listens, fold.side, options.seed)
    towers = fit_towers(known, options.seed, options.towers, progress, watch_recall(known, fold))
    heard = ~fold.new[fold.aside.creators]
    aside = (fold.aside.users[heard], fold.aside.creators[heard])
    return make_slates(known, towers.space, aside, options.candidates), towers.curve
