"""What ranking less costs: the NDCG@20 of a slate of which only the first candidates were ranked, against the full one. Measured offline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bundle.open import Bundle
from domain.arrays import FloatArray
from domain.errors import ArtifactError, ArtifactReason
from domain.request import RecommendRequest
from domain.slate import Slate

FILE_NAME = "budget_curve.json"
DEPTH = 20
STEPS = (0, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


@dataclass(frozen=True, slots=True)
class BudgetCurve:
    """ndcg[i]: mean NDCG@20 over `user_count` users when the first counts[i] candidates are ranked and the others follow in similarity order.

    counts ascend from 0 to the full number, where the NDCG is 1. The gain of a creator is its score by the full ranker, less the least of the user's.
    """

    counts: tuple[int, ...]
    ndcg: tuple[float, ...]
    user_count: int

    def loss(self, ranked_count: int) -> float:
        """The NDCG@20 that is lost by ranking so many only, between 0 and 1; straight lines between what was measured."""
        return max(0.0, 1.0 - float(np.interp(ranked_count, self.counts, self.ndcg)))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {"depth": DEPTH, "user_count": self.user_count, "counts": list(self.counts), "ndcg": [round(value, 6) for value in self.ndcg]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> BudgetCurve:
        """What `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
        counts, ndcg = tuple(int(n) for n in stored["counts"]), tuple(float(v) for v in stored["ndcg"])
        if not counts or len(counts) != len(ndcg) or sorted(set(counts)) != list(counts) or not np.isfinite(ndcg).all():
            raise ValueError("counts must ascend, with one finite NDCG each")
        return cls(counts, ndcg, int(stored["user_count"]))


def steps(count: int) -> tuple[int, ...]:
    """The rank counts that are measured where the full work ranks `count`."""
    return (*(step for step in STEPS if step < count), count)


def cut_ndcg(scores: FloatArray, similarities: FloatArray, counts: Sequence[int], depth: int = DEPTH) -> FloatArray:
    """NDCG@depth by rank count, for one user: float64, aligned with `counts`.

    scores, similarities: of all n candidates, in any order; a score that is not finite gains nothing and is ranked behind.
    """
    by_similarity = np.argsort(-similarities, kind="stable")
    scores = scores[by_similarity].astype(np.float64)
    finite = np.isfinite(scores)
    least = scores[finite].min() if finite.any() else 0.0
    gains = np.where(finite, scores - least, 0.0)
    discounts = 1.0 / np.log2(np.arange(2, depth + 2))
    best = np.sort(gains)[::-1][:depth]
    ideal = float(best @ discounts[: len(best)])
    return np.array([1.0 if ideal == 0.0 else float(shown @ discounts[: len(shown)]) / ideal for shown in (_slate(gains, n, depth) for n in counts)])


def _slate(gains: FloatArray, ranked_count: int, depth: int) -> FloatArray:
    """The gains of the slate: the first `ranked_count` by gain, the others as they are."""
    head = np.sort(gains[:ranked_count])[::-1]
    shown: FloatArray = np.concatenate([head, gains[ranked_count:]])[:depth]
    return shown


def measure_curve(slates: Iterable[Slate], count: int) -> BudgetCurve:
    """The mean over users. slates: for each user the full work with all candidates shown; count: how many candidates the full work ranks."""
    counts = steps(count)
    values = [cut_ndcg(slate.scores, slate.similarities, counts) for slate in slates if len(slate)]
    mean = np.mean(values, axis=0) if values else np.ones(len(counts))
    return BudgetCurve(counts, tuple(mean.tolist()), len(values))


def showing_all(request: RecommendRequest, count: int) -> RecommendRequest:
    """The same question with every candidate on the page."""
    return replace(request, page_size=count, candidate_count=count)


def read_curve(bundle: Bundle) -> BudgetCurve | None:
    """The curve that the build measured; None for bundles of before there was one. Raises ArtifactError."""
    if FILE_NAME not in bundle.manifest.files:
        return None
    path = bundle.path / FILE_NAME
    try:
        return BudgetCurve.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        raise ArtifactError(path, ArtifactReason.MANIFEST_INVALID, f"is not what a build writes ({problem!r}); build the bundle again") from problem


def write_curve(curve: BudgetCurve, directory: Path) -> None:
    """Into the directory of a draft."""
    (directory / FILE_NAME).write_text(json.dumps(curve.to_json()) + "\n", encoding="utf-8")
