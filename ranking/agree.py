"""Holds a folded ranker against the same ranker whole, on sampled pairs of users and creators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.columns import Creators, Users
from domain.deadline import Deadline
from domain.request import User
from ranking.made_up_users import MadeUpUsers
from ranking.onnx_ranker import OnnxRanker
from ranking.prove import NARROWED_SAME, REORDERED_SAME, score_sizes

REQUEST_COUNT = 64
CANDIDATE_COUNT = 200
TOP_COUNT = 20
LEAST_NDCG = 0.999  # of a narrowed order, by the scores of the whole form
SEED = 4242  # any fixed number: the same inputs must pass or fail the same way

Requests = Sequence[tuple[User, Candidates]]


@dataclass(frozen=True)
class Agreement:
    """What came out. max_relative: of a score, or of the mean one of its request where that is larger. same_top: requests with the same best
    TOP_COUNT in the same order, near ties settled; tied_top: others, which differ only among scores that rounding makes equal. mean_ndcg: of the best
    TOP_COUNT by the whole form's scores, from 0 for the lowest of a request to 1 for its highest. narrowed: whether that is what counts."""

    requests: int
    pairs: int
    max_absolute: float
    max_relative: float
    same_top: int
    tied_top: int
    mean_ndcg: float
    reordered: bool
    narrowed: bool = False

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty when nothing is."""
        if self.narrowed:
            low = not self.mean_ndcg >= LEAST_NDCG
            return f"NDCG@{TOP_COUNT} of the narrowed order is {self.mean_ndcg:.5f}, below {LEAST_NDCG}" if low else ""
        if not self.reordered and self.max_absolute > 0:
            return f"no sum was reordered, but scores differ by up to {self.max_absolute:.2g}"
        if not self.max_relative <= REORDERED_SAME:
            return f"scores differ by up to {self.max_relative:.2g} of their size, more than {REORDERED_SAME:g}"
        differing = self.requests - self.same_top - self.tied_top
        return f"{differing} of {self.requests} requests have other creators among the best {TOP_COUNT}" if differing else ""

    @property
    def settles(self) -> bool:
        """Whether scores are those of the whole form but for the rounding of sums, so that near ties can be told and settled."""
        return not self.problem and not self.narrowed and self.max_absolute > 0.0

    def settled(self, served: Agreement) -> Agreement:
        """The same with the orders of what is served, where near ties are settled."""
        return replace(self, same_top=served.same_top, tied_top=served.tied_top, mean_ndcg=served.mean_ndcg)

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        allowed = NARROWED_SAME if self.narrowed else REORDERED_SAME if self.reordered else 0.0
        return {**asdict(self), "top": TOP_COUNT, "allowed_relative": allowed}


def sampled_requests(made_up: MadeUpUsers, users: Users | None, creators: Creators, count: int = REQUEST_COUNT) -> Requests:
    """Users, each with random creators and their similarities, best first."""
    rng = np.random.default_rng(SEED)
    sampled = list(made_up.sampled(users, count, rng))
    return [(user, candidates_for(user, creators, CANDIDATE_COUNT, rng)) for user in sampled]


def candidates_for(user: User, creators: Creators, count: int, rng: np.random.Generator) -> Candidates:
    """`count` random creators, or all of them, with the cosine of their embeddings as similarity."""
    rows = rng.choice(len(creators), min(count, len(creators)), replace=False).astype(np.int64)
    similarities = creators.embeddings[rows] @ user.embedding / (creators.norms[rows] * max(float(np.linalg.norm(user.embedding)), 1e-30))
    order = np.argsort(-similarities, kind="stable")
    return Candidates.of(rows[order], np.ascontiguousarray(similarities[order], np.float32), Source.EXACT)


def compare(folded: OnnxRanker, whole: OnnxRanker, requests: Requests, reordered: bool, narrowed: bool = False) -> Agreement:
    """Score every request with both."""
    absolute, relative, same, tied, gains = 0.0, 0.0, 0, 0, []
    for user, candidates in requests:
        (given, given_top), (wanted, wanted_top) = (_scored(ranker, user, candidates) for ranker in (folded, whole))
        difference, sizes = _difference(given, wanted), score_sizes(wanted)
        absolute = max(absolute, float(difference.max(initial=0.0)))
        relative = max(relative, float((difference / np.maximum(sizes, np.finfo(np.float32).tiny)).max(initial=0.0)))
        gains.append(ndcg(wanted, given_top, wanted_top))
        if np.array_equal(given_top, wanted_top):
            same += 1
        elif (np.abs(wanted[given_top] - wanted[wanted_top]) <= 2 * REORDERED_SAME * sizes[wanted_top]).all():
            tied += 1
    pairs = sum(len(candidates) for _, candidates in requests)
    return Agreement(len(requests), pairs, absolute, relative, same, tied, float(np.mean(gains)), reordered, narrowed)


def ndcg(scores: AnyArray, given: RowArray, wanted: RowArray) -> float:
    """NDCG of the order `given` of the best, where `wanted` is the ideal one by `scores`: gains from 0 for the lowest of all to 1 for the highest."""
    finite = scores[np.isfinite(scores)]
    if not len(finite) or finite.max() == finite.min():
        return 1.0
    relevance = np.nan_to_num((scores - finite.min()) / (finite.max() - finite.min()), nan=0.0, posinf=1.0, neginf=0.0)
    discounts = 1.0 / np.log2(np.arange(2, len(wanted) + 2))
    ideal = float((relevance[wanted] * discounts).sum())
    return float((relevance[given] * discounts[: len(given)]).sum()) / ideal if ideal else 1.0


def _scored(ranker: OnnxRanker, user: User, candidates: Candidates) -> tuple[FloatArray, RowArray]:
    ranked = ranker.rank(user, candidates, TOP_COUNT, {}, Deadline.never(lambda: 0.0))
    return ranked.scores.astype(np.float64), ranked.order[:TOP_COUNT]


def _difference(given: FloatArray, wanted: FloatArray) -> FloatArray:
    """Absolute; infinite where only one of them is finite, nothing where none is."""
    finite = np.isfinite(given), np.isfinite(wanted)
    with np.errstate(invalid="ignore"):
        difference = np.where(finite[0] & finite[1], np.abs(given - wanted), 0.0)
    return np.where(finite[0] == finite[1], difference, np.inf)
