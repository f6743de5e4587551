"""`python -m evaluation.tune`: settings of the baselines, chosen on a validation cut of the training part. What is held out for the test is not read.

Every baseline gets the grid below, the best NDCG@20 of creators with listens decides; for tag profiles it is Recall@50 of creators that the
validation cut makes cold, among all creators.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domain.arrays import RowArray
from evaluation.baselines.als import AlsSettings, fit_als
from evaluation.baselines.ease import fit_ease
from evaluation.baselines.neighbours import fit_neighbours
from evaluation.baselines.scorer import Scorer, rank_with
from evaluation.baselines.tag_profiles import fit_tag_profiles
from evaluation.metrics import Wanted, hits, ndcg, recall
from evaluation.protocol import VALIDATION, evaluated_users, hold_out_tags
from evaluation.split import Split, count_tags, read_split

Settings = Mapping[str, Any]
GRIDS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "neighbours": {"neighbour_count": (50, 100, 200, 500, 20_000), "similarity": ("cosine", "tfidf", "bm25"), "weights": ("binary", "log")},
    "ease": {"regularisation": (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0), "weights": ("binary", "log")},
    "als": {
        "factors": (64, 128),
        "regularisation": (10.0, 30.0, 60.0, 100.0, 150.0, 250.0),
        "alpha": (3.0, 10.0, 20.0),
        "iterations": (15,),
        "weights": ("binary", "log"),
    },
    "tag_profiles": {"sublinear": (True, False), "weights": ("binary", "log")},
}


def main() -> None:
    """Search all grids and write the winners."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.tune", description="Tune the baselines on a validation cut of the training part.")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="a run directory; its training part is cut once more")
    parser.add_argument("--out", type=Path, required=True, metavar="F", help="where the settings go, TOML")
    parser.add_argument("--only", choices=tuple(GRIDS), action="append", help="tune these alone and print, do not write; repeatable")
    args = parser.parse_args()
    split = validation_split(read_split(args.run))
    found = {name: best(name, split) for name in args.only or GRIDS}
    if not args.only:
        args.out.write_text(as_toml(found), "utf-8")
        print(f"wrote {args.out}")


def validation_split(split: Split) -> Split:
    """The training part, cut by the validation rules, its tags included."""
    kept, held_out = VALIDATION.hold_out(split.kept)
    side = None if split.side is None else hold_out_tags(held_out, split.side)
    return Split(kept, held_out, VALIDATION.cold_creators(kept), side)


def best(name: str, split: Split) -> tuple[Settings, float]:
    """The settings of the grid with the highest value, and that value; prints every trial."""
    judged = _Judge(split, cold=name == "tag_profiles")
    trials = []
    for settings in every(GRIDS[name]):
        value = judged.value(_fit(name, split, settings))
        print(f"{name} {json.dumps(settings)}: {value:.4f}", flush=True)
        trials.append((settings, value))
    return max(trials, key=lambda trial: trial[1])


def every(grid: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """All combinations of a grid."""
    return (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))


class _Judge:
    def __init__(self, split: Split, *, cold: bool) -> None:
        held = split.cold_held_out() if cold else split.warm_held_out()
        self._kept, self._cold = split.kept, cold
        self._users: RowArray = evaluated_users(split.kept, held)
        self._wanted = Wanted.of(held, self._users)

    def value(self, score: Scorer) -> float:
        """Recall@50 of cold creators, or NDCG@20 of the others."""
        found = hits(rank_with(score, self._kept, self._users, 50), self._wanted)
        return float(np.mean(recall(found, self._wanted.counts, 50) if self._cold else ndcg(found, self._wanted.counts, 20)))


def _fit(name: str, split: Split, settings: Settings) -> Scorer:
    if name == "neighbours":
        return fit_neighbours(split.kept, **settings)
    if name == "ease":
        return fit_ease(split.kept, **settings)
    if name == "als":
        return fit_als(split.kept, AlsSettings(**settings))
    tags = count_tags(split.side) if split.side is not None else None
    if tags is None:
        raise SystemExit("the run has no tags: tune the others with --only")
    return fit_tag_profiles(split.kept, tags, **settings)


def as_toml(found: Mapping[str, tuple[Settings, float]]) -> str:
    """The file that `read_settings` reads, each section with its value on the validation cut."""
    lines = ["# Written by `make tune-baselines`: the best of the grids in evaluation/tune.py on the validation cut of the training part."]
    for name, (settings, value) in found.items():
        measure = "Recall@50 of cold creators among all" if name == "tag_profiles" else "NDCG@20"
        lines += ["", f"[{name}]  # {measure} on the validation cut: {value:.4f}"]
        lines += [f"{key} = {json.dumps(setting)}" for key, setting in settings.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
