"""The whole evaluation: the engine and the baselines rank for the same users, and what was held out judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.arrays import BoolArray, RowArray
from domain.stages import Progress
from engine.expected import score_expected
from engine.recommend import Engine
from evaluation.baselines.settings import BaselineSettings
from evaluation.bootstrap import Interval, interval
from evaluation.metrics import Wanted, hits, ndcg
from evaluation.protocol import evaluated_users
from evaluation.result import ALS, EASE, EXHAUSTIVE, NEIGHBOURS, POPULARITY, RANDOM, RETRIEVAL, SLATE, TAGS, Evaluation
from evaluation.served import COLD_DEPTH, SLATE_DEPTH, STAGE_1_DEPTH, Answers, ServedSlates
from evaluation.split import Split, count_tags
from evaluation.tables import MethodTable, measure

BASELINES = frozenset({RANDOM, POPULARITY, NEIGHBOURS, EASE, ALS})


@dataclass(frozen=True)
class EvaluationOptions:
    """baselines: None measures the bundle alone. exhaustive: rank the whole catalogue too. candidates: counts for the curve of NDCG against them.
    expected: the trainer's scores, or None."""

    baselines: BaselineSettings | None
    candidates: tuple[int, ...] = ()
    expected: Path | None = None
    thread_count: int = 1
    exhaustive: bool = True


@dataclass(frozen=True)
class _Part:
    """Users who are judged by the same kind of held-out listens."""

    users: RowArray
    wanted: Wanted


def evaluate(engine: Engine, split: Split, options: EvaluationOptions, progress: Progress) -> Evaluation:
    """Judge the bundle behind `engine` by the split that it was trained on. Raises ArtifactError when the two do not belong together."""
    served = ServedSlates(engine, split, options.thread_count, exhaustive=options.exhaustive)
    warm, cold = _part(split, warm=True), _part(split, warm=False)
    everybody = np.union1d(warm.users, cold.users)
    answers = served.all_of(everybody, progress)
    alone = served.cold_of(cold.users, progress)

    main = measure(_main_baselines(split, warm.users, options, progress) | _ours(answers, everybody, warm.users), warm.wanted, served.emerging)
    among_all = _cold_table(split, cold, options, _ours(answers, everybody, cold.users), None)
    among_cold = _cold_table(split, cold, options, _ours(alone, cold.users, cold.users), split.cold)
    sweep = tuple((count, _ndcg(served.slates_of(warm.users, count, progress), warm.wanted)) for count in options.candidates)
    return Evaluation(
        facts=_facts(engine, split, warm, cold) | _agreement(engine, options, max(answers.difference, alone.difference)),
        main=main.rows(),
        cold=among_all.rows(),
        cold_only=among_cold.rows(),
        gains=_gains(main) | _cold_gains(among_all, "among all") | _cold_gains(among_cold, "among the cold"),
        sweep=sweep,
    )


def _part(split: Split, *, warm: bool) -> _Part:
    held = split.warm_held_out() if warm else split.cold_held_out()
    users = evaluated_users(split.kept, held)
    return _Part(users, Wanted.of(held, users))


def _ours(answers: Answers, asked: RowArray, users: RowArray) -> dict[str, RowArray]:
    places = np.searchsorted(asked, users)
    ours = {RETRIEVAL: answers.retrieved[places], SLATE: answers.slates[places]}
    return ours if answers.exhaustive is None else ours | {EXHAUSTIVE: answers.exhaustive[places]}


def _main_baselines(split: Split, users: RowArray, options: EvaluationOptions, progress: Progress) -> dict[str, RowArray]:
    if options.baselines is None:
        return {}
    fits = _fits(split, options.baselines)
    progress.start("fitting the baselines", len(fits))
    rankings = {}
    for name, rank in fits.items():
        rankings[name] = rank(users)
        progress.advance(1)
    return rankings


def _fits(split: Split, settings: BaselineSettings) -> Mapping[str, Callable[[RowArray], RowArray]]:
    from evaluation.baselines.als import fit_als  # noqa: PLC0415 - the baselines need the extra `train`, the bundle alone does not
    from evaluation.baselines.ease import fit_ease  # noqa: PLC0415 - as above
    from evaluation.baselines.neighbours import fit_neighbours  # noqa: PLC0415 - as above
    from evaluation.baselines.popularity import fit_popularity, fit_random  # noqa: PLC0415 - as above
    from evaluation.baselines.scorer import rank_with  # noqa: PLC0415 - as above

    kept, near, ease = split.kept, settings.neighbours, settings.ease
    scorers = {
        RANDOM: lambda: fit_random(kept),
        POPULARITY: lambda: fit_popularity(kept),
        NEIGHBOURS: lambda: fit_neighbours(kept, near.neighbour_count, near.similarity, near.weights),
        EASE: lambda: fit_ease(kept, ease.regularisation, ease.weights),
        ALS: lambda: fit_als(kept, settings.als),
    }
    return {name: lambda users, fit=fit: rank_with(fit(), kept, users, STAGE_1_DEPTH) for name, fit in scorers.items()}  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def _cold_table(split: Split, part: _Part, options: EvaluationOptions, ours: dict[str, RowArray], eligible: BoolArray | None) -> MethodTable:
    """Methods that can rank creators without a listen, among those that are eligible (None: all)."""
    if options.baselines is None:
        return measure(ours, part.wanted, split.cold)
    from evaluation.baselines.popularity import fit_random  # noqa: PLC0415 - the baselines need the extra `train`
    from evaluation.baselines.scorer import rank_with  # noqa: PLC0415 - as above
    from evaluation.baselines.tag_profiles import fit_tag_profiles  # noqa: PLC0415 - as above

    scorers = {RANDOM: fit_random(split.kept)}
    tags = count_tags(split.side) if split.side is not None else None
    if tags is not None:
        scorers[TAGS] = fit_tag_profiles(split.kept, tags, options.baselines.tag_profiles.sublinear, options.baselines.tag_profiles.weights)
    ranked = {name: rank_with(score, split.kept, part.users, STAGE_1_DEPTH, eligible) for name, score in scorers.items()}
    return measure(ranked | ours, part.wanted, split.cold)


def _ndcg(slates: RowArray, wanted: Wanted) -> Interval:
    return interval(ndcg(hits(slates, wanted), wanted.counts, SLATE_DEPTH))


def _gains(main: MethodTable) -> dict[str, Interval]:
    gains = {f"NDCG@20, {SLATE} minus {RETRIEVAL}": main.gain(SLATE, RETRIEVAL, "NDCG@20")}
    if EXHAUSTIVE in main.values:
        gains = {f"share of NDCG@20 that the {SLATE} loses against {EXHAUSTIVE}": main.loss(SLATE, EXHAUSTIVE, "NDCG@20")} | gains
    if not BASELINES & set(main.values):
        return gains
    best = main.best(BASELINES, "NDCG@20")
    return {f"NDCG@20, {SLATE} minus {best}": main.gain(SLATE, best, "NDCG@20")} | gains


def _cold_gains(table: MethodTable, where: str) -> dict[str, Interval]:
    if TAGS not in table.values:
        return {}
    return {
        f"Recall@{COLD_DEPTH} of cold creators {where}, {one} minus {TAGS}": table.gain(one, TAGS, f"Recall@{COLD_DEPTH}")
        for one in (RETRIEVAL, SLATE)
    }


def _facts(engine: Engine, split: Split, warm: _Part, cold: _Part) -> dict[str, int | float | str]:
    manifest = engine.bundle.manifest
    return {
        "bundle": manifest.version,
        "candidates": manifest.candidate_count,
        "creators": len(split.kept.creator_ids),
        "cold creators": int(split.cold.sum()),
        "users": len(split.kept.user_ids),
        "training listens": len(split.kept),
        "evaluated users": len(warm.users),
        "held-out listens": int(warm.wanted.counts.sum()),
        "users evaluated on cold creators": len(cold.users),
        "held-out listens of cold creators": int(cold.wanted.counts.sum()),
    }


def _agreement(engine: Engine, options: EvaluationOptions, difference: float) -> dict[str, int | float | str]:
    """How far scores of the same pair are apart, relative to scores above 1."""
    facts: dict[str, int | float | str] = {"largest difference of a slate's scores and the exhaustive ones": difference} if options.exhaustive else {}
    if options.expected is not None:
        scores = score_expected(options.expected, engine)
        apart = np.abs(scores.served - scores.expected) / np.maximum(1.0, np.abs(scores.expected))
        facts |= {"pairs scored by the trainer": len(apart), "largest difference of served and trainer's scores": float(apart.max())}
    return facts
