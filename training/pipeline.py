"""From listens to towers and a ranker: what is fitted on what, on one screen."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from domain.listens import Listens, SideTables
from domain.stages import Progress
from training.columns import Columns, plan_columns
from training.content import with_content_words
from training.features import NAMES
from training.fit_ranker import FittedRanker, RankerOptions, fit_ranker
from training.fit_towers import FittedTowers, TowerOptions, fit_towers
from training.folds import make_fold
from training.knowledge import Knowledge, learn
from training.matrices import followed, played
from training.objective import ndcg, recall, weigh
from training.occasions import occasions_of
from training.sizes import Sizes
from training.slates import SlateMaker, Slates
from training.watch import watch_recall

COLD_DEPTH = 50  # as evaluation judges creators whom nobody has played


@dataclass(frozen=True)
class TrainingOptions:
    """seed: of everything that is drawn. folds: inner cuts that the ranker learns from. candidates: per slate, as serving will retrieve. name_words:
    whether words of creators' names are content, see `training.content`. sizes: how wide what is learned may be."""

    seed: int = 0
    folds: int = 2
    candidates: int = 300
    name_words: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    towers: TowerOptions = field(default_factory=TowerOptions)
    ranker: RankerOptions = field(default_factory=RankerOptions)

    def to_json(self) -> dict[str, Any]:
        """All of it, for the run directory."""
        return asdict(self)


@dataclass(frozen=True)
class Trained:
    """What comes out: the knowledge of all listens given, the towers on it, the ranker and the columns that it reads; curves and figures of the inner
    folds."""

    known: Knowledge
    columns: Columns
    towers: FittedTowers
    ranker: FittedRanker
    curves: dict[str, Any]
    metrics: dict[str, Any]


def train(listens: Listens, side: SideTables, options: TrainingOptions, progress: Progress) -> Trained:
    """Fit everything. `listens` and `side` are all that is used: what was held out from them before is nowhere else to be found."""
    busiest = int(np.diff((played(listens) + followed(listens, side)).indptr).max(initial=0))
    side = with_content_words(side, options.name_words)
    options = replace(options, candidates=min(options.candidates, len(listens.creator_ids) - busiest))  # there must be as many to show
    columns = plan_columns(listens, side)
    folds = [_fold(listens, side, columns, number, options, progress) for number in range(options.folds)]
    ranker = fit_ranker([slates for slates, _ in folds], columns.code_counts, options.seed, options.ranker, progress)
    known = learn(listens, side, options.seed, options.sizes)
    epochs = round(float(np.mean([towers.epochs for _, towers in folds])))
    towers = fit_towers(known, options.seed, replace(options.towers, epochs=epochs), progress)
    curves = {"towers": [fitted.curve for _, fitted in folds] + [towers.curve], "ranker": ranker.curves}
    return Trained(known, columns, towers, ranker, curves, _metrics(ranker) | {"tower_epochs": epochs})


def _fold(
    listens: Listens, side: SideTables, columns: Columns, number: int, options: TrainingOptions, progress: Progress
) -> tuple[Slates, FittedTowers]:
    """The slates of one inner fold: everything that scores them was fitted on the rest of it."""
    seed = options.seed * 1_000 + number
    fold = make_fold(listens, side, seed, number)
    known = learn(fold.listens, fold.side, options.seed, options.sizes)
    towers = fit_towers(known, options.seed, options.towers, progress, watch_recall(known, fold, options.candidates))
    asked = occasions_of(fold.aside, columns, seed)
    return SlateMaker(known, towers.space, fold, columns).make(asked, options.candidates), towers


def _metrics(ranker: FittedRanker) -> dict[str, Any]:
    """Of users that each member did not learn from: similarity order against the ranker's, on heard creators and on new ones."""
    slates = ranker.aside
    heard, new = slates.listened & ~slates.new, slates.listened & slates.new
    judged = slates.relevant_heard > 0
    orders = {"similarity": slates.features[:, :, NAMES.index("similarity")], "ranker": weigh(ranker.aside_scores, slates, ranker.objective)}
    found: dict[str, Any] = {"objective": dict(ranker.objective)}
    for name, scores in orders.items():
        found[f"inner_ndcg_of_{name}"] = ndcg(scores[judged], heard[judged], slates.relevant_heard[judged])
        found[f"inner_new_recall_of_{name}"] = recall(scores, new, slates.relevant - slates.relevant_heard, COLD_DEPTH)
    return found
