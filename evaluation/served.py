"""What the real engine answers from the real bundle: the same function that a request over gRPC ends in, called in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.errors import ArtifactError, ArtifactReason, StageFailure
from domain.request import CandidateFilter, RecommendRequest
from domain.slate import Recommended, Slate
from domain.stages import Progress
from domain.terms import Terms
from engine.recommend import Engine
from evaluation.split import Split

T = TypeVar("T")

STAGE_1_DEPTH = 500  # the deepest recall of the protocol
SLATE_DEPTH = 20
COLD_DEPTH = 50


@dataclass(frozen=True)
class Answers:
    """Rankings of U users, int64 creator codes of the split, best first, -1 where there are no more.

    retrieved [U, 500]: stage 1, in its order. slates [U, 50]: both stages, of the bundle's own number of candidates. exhaustive [U, 50]: the same
    ranker over the whole catalogue, or None when nobody asked for it. difference: the largest one between the scores that a pair got in a slate and
    exhaustively.
    """

    retrieved: RowArray
    slates: RowArray
    exhaustive: RowArray | None
    difference: float


@dataclass(frozen=True)
class _One:
    retrieved: RowArray
    slate: RowArray
    exhaustive: RowArray | None = None
    difference: float = 0.0


class ServedSlates:
    """Asks an engine for the users of a split. Their training creators are sent as seen. Immutable; asks `thread_count` users at a time.

    exhaustive: rank the whole catalogue too, which takes most of the time.
    """

    def __init__(self, engine: Engine, split: Split, thread_count: int = 1, *, exhaustive: bool = True) -> None:
        """Raises ArtifactError when the bundle does not hold the creators of the run."""
        self._engine, self._threads, self._exhaustive = engine, thread_count, exhaustive
        self._user_ids = split.kept.user_ids
        self._codes = _codes_by_row(engine, split)
        self._cold_rows = np.flatnonzero(split.cold[self._codes])
        order = np.argsort(split.kept.users, kind="stable")
        starts = np.searchsorted(split.kept.users[order], np.arange(len(split.kept.user_ids) + 1))
        ids = np.array(split.kept.creator_ids, object)[split.kept.creators[order]]
        self._seen = [tuple(ids[start:end]) for start, end in pairwise(starts.tolist())]
        self._not_cold = self._emerging_but_not_cold(split.cold)

    @property
    def emerging(self) -> BoolArray:
        """Per creator code of the split whether its tier is an emerging one of the bundle."""
        creators, names = self._engine.creators, self._engine.bundle.manifest.emerging_tiers
        emerging = np.zeros(len(creators), np.bool_)
        if creators.tiers is not None:
            tiers = np.array([name in names for name in creators.tier_names])
            emerging[self._codes] = tiers[creators.tiers]
        return emerging

    def all_of(self, users: RowArray, progress: Progress) -> Answers:
        """Rankings of the whole catalogue for users (codes)."""
        progress.start("asking the engine", len(users))
        return _stack(list(self._each(users, self._ask, progress)))

    def cold_of(self, users: RowArray, progress: Progress) -> Answers:
        """Rankings of the cold creators alone, by the tier filter of the request."""
        progress.start("asking for cold creators alone", len(users))
        return _stack(list(self._each(users, self._ask_cold, progress)))

    def slate_of(self, user: int, page_size: int) -> RowArray:
        """The slate of one user (code), as the bundle serves it."""
        return self._shown(self._request(user, 0, page_size))

    def slates_of(self, users: RowArray, candidate_count: int, progress: Progress) -> RowArray:
        """Slates [U, 20] when stage 1 hands on `candidate_count`, whatever the bundle's default is."""
        progress.start(f"asking with {candidate_count:,} candidates", len(users))
        answers = self._each(users, lambda user: self._shown(self._request(user, candidate_count, SLATE_DEPTH)), progress)
        return _padded(list(answers), SLATE_DEPTH)

    def in_full(self, users: RowArray, candidate_count: int, progress: Progress) -> Iterator[Slate]:
        """For each user all candidates of stage 1, ranked and shown."""
        progress.start("asking for all candidates", len(users))
        return self._each(users, lambda user: self._answer(self._request(user, candidate_count, candidate_count)).slate, progress)

    def _each(self, users: RowArray, ask: Callable[[int], T], progress: Progress) -> Iterator[T]:
        with ThreadPoolExecutor(self._threads) as pool:
            for answer in pool.map(ask, users.tolist()):
                progress.advance(1)
                yield answer

    def _ask(self, user: int) -> _One:
        retrieved = self._answer(self._request(user, STAGE_1_DEPTH, 1)).slate.considered[:STAGE_1_DEPTH]
        return self._ranked(retrieved, self._request(user, 0, COLD_DEPTH), self._all_request(user, CandidateFilter()))

    def _ask_cold(self, user: int) -> _One:
        wanted = CandidateFilter(tiers=self._engine.bundle.manifest.emerging_tiers, excluded_ids=self._not_cold)
        retrieved = self._answer(self._request(user, STAGE_1_DEPTH, 1, wanted)).slate.considered[:STAGE_1_DEPTH]
        return self._ranked(retrieved, self._request(user, 0, COLD_DEPTH, wanted), self._all_request(user, wanted))

    def _ranked(self, retrieved: RowArray, served: RecommendRequest, everything: RecommendRequest) -> _One:
        slate = self._answer(served).slate
        if not self._exhaustive:
            return _One(self._codes[retrieved], self._codes[slate.rows])
        whole = self._answer(everything).slate
        difference = _largest_difference(slate.rows, slate.scores, whole.rows, whole.scores)
        return _One(self._codes[retrieved], self._codes[slate.rows], self._codes[whole.rows[:COLD_DEPTH]], difference)

    def _request(self, user: int, candidate_count: int, page_size: int, wanted: CandidateFilter | None = None) -> RecommendRequest:
        allowed = replace(wanted or CandidateFilter(), seen_ids=self._seen[user], include_followed=True)
        user_id = self._user_ids[user]
        return RecommendRequest(f"evaluate-{user_id}", user_id, page_size=page_size, candidate_count=candidate_count, filter=allowed)

    def _all_request(self, user: int, wanted: CandidateFilter) -> RecommendRequest:
        """Every creator is a candidate, and all that may be shown are: a slate of the whole catalogue, with all scores."""
        count = len(self._engine.creators)
        return replace(self._request(user, count, count, wanted), exact=True)

    def _answer(self, request: RecommendRequest) -> Recommended:
        answer = self._engine.recommend(request, Terms.unhurried(self._engine.clock))
        if answer.degradations:
            rungs = ", ".join(f"{one.stage.name} {one.reason.name}".lower() for one in answer.degradations)
            raise StageFailure(f'user "{request.user_id}" got less than the full work ({rungs}); what would be measured is not the bundle')
        return answer

    def _shown(self, request: RecommendRequest) -> RowArray:
        shown: RowArray = self._codes[self._answer(request).slate.rows]
        return shown

    def _emerging_but_not_cold(self, cold: BoolArray) -> tuple[str, ...]:
        """To be excluded where the cold ones alone are ranked: a bundle may count others as emerging too."""
        others = np.flatnonzero(self.emerging[self._codes] & ~cold[self._codes])
        lost = np.flatnonzero(cold[self._codes] & ~self.emerging[self._codes])
        if len(lost):
            ids = self._engine.creators.ids_of(lost[:1])
            text = f'cold creator "{ids[0]}" has no emerging tier, and {len(lost) - 1} others; write tier "emerging" for them into creators.parquet'
            raise ArtifactError(self._engine.bundle.path, ArtifactReason.INPUT_INVALID, text)
        return tuple(self._engine.creators.ids_of(others))


def _codes_by_row(engine: Engine, split: Split) -> RowArray:
    """Per row of the bundle the creator's code in the split."""
    ids = split.kept.creator_ids
    rows = engine.creators.rows_of(ids)
    if len(rows) != len(ids) or len(ids) != len(engine.creators):
        text = f"holds {len(engine.creators):,} creators, of which {len(rows):,} are among the {len(ids):,} of the run; build it from this run"
        raise ArtifactError(engine.bundle.path, ArtifactReason.INPUT_INVALID, text)
    codes = np.empty(len(ids), np.int64)
    codes[rows] = np.arange(len(ids))
    return codes


def _largest_difference(rows: RowArray, scores: FloatArray, all_rows: RowArray, all_scores: FloatArray) -> float:
    """Between the scores of the same rows, relative to scores above 1."""
    order = np.argsort(all_rows)
    again = all_scores[order[np.searchsorted(all_rows, rows, sorter=order)]]
    return float((np.abs(again - scores) / np.maximum(1.0, np.abs(again))).max(initial=0.0))


def _padded(rankings: list[RowArray], depth: int) -> RowArray:
    padded = np.full((len(rankings), depth), -1, np.int64)
    for place, ranking in enumerate(rankings):
        padded[place, : len(ranking)] = ranking[:depth]
    return padded


def _stack(answers: list[_One]) -> Answers:
    exhaustive = [one.exhaustive for one in answers if one.exhaustive is not None]
    return Answers(
        retrieved=_padded([one.retrieved for one in answers], STAGE_1_DEPTH),
        slates=_padded([one.slate for one in answers], COLD_DEPTH),
        exhaustive=_padded(exhaustive, COLD_DEPTH) if len(exhaustive) == len(answers) else None,
        difference=max((one.difference for one in answers), default=0.0),
    )
