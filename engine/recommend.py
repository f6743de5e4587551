"""The way of one request, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bundle.open import Bundle
from domain.candidates import Candidates
from domain.columns import Creators
from domain.deadline import Clock
from domain.errors import BundleNotLoaded, FieldViolation, InvalidRequest, StageFailure
from domain.request import RecommendRequest
from domain.slate import Plan, Profile, Recommended, Slate, Stage
from domain.stages import Composer, Retriever
from domain.terms import Terms
from engine.cost_model import Costs
from engine.look_up import UserLookUp
from engine.rank_within import RankWithin
from engine.trace import Trace
from slate.receipt import ReceiptWriter


@dataclass(frozen=True, slots=True)
class Way:
    """The stages that serve one profile."""

    profile: Profile
    look_up: UserLookUp
    retriever: Retriever
    rank: RankWithin
    composer: Composer
    receipts: ReceiptWriter


@dataclass(frozen=True, slots=True)
class Engine:
    """One opened bundle, ready to answer. Immutable; `recommend` may be called from several threads at a time.

    ways: by profile name; surfaces without a profile of their own take "default". costs: what a request is expected to take, for who admits requests.
    """

    bundle: Bundle
    ways: Mapping[str, Way]
    clock: Clock
    costs: Costs = field(default_factory=Costs)

    @property
    def creators(self) -> Creators:
        """The catalogue, to turn rows into ids and names at the edge."""
        return self.bundle.creators

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:
        """A slate, or a RequestError."""
        return recommend(self, request, terms)


def recommend(engine: Engine, request: RecommendRequest, terms: Terms) -> Recommended:
    """Answer one request: look up, plan, retrieve, filter, rank, compose. Raises RequestError.

    Conservation: every retrieved row ends exactly once as served, removed or in reserve.
    """
    terms.check("start")
    deadline = terms.deadline
    _check_pin(request, engine.bundle)
    trace = Trace(engine.clock)
    way = engine.ways.get(request.surface) or engine.ways["default"]
    candidate_count = _candidate_count(request, engine.bundle.manifest.candidate_count)

    user = trace.run(Stage.LOOK_UP, 1, lambda: way.look_up.look_up(request, deadline), lambda _: 1)
    restriction = way.retriever.restrict(request.filter, user)
    answer = trace.run(
        Stage.RETRIEVE,
        len(engine.creators),
        lambda: way.retriever.retrieve(user.embedding, candidate_count, restriction, request.exact, deadline),
        lambda a: len(a.found),
    )
    kept, removed = trace.run(Stage.FILTER, len(answer.found), lambda: restriction.split(answer.found), lambda halves: len(halves[0]))
    terms.check("rank")
    wanted, surplus = _cut(kept, candidate_count)
    remaining_s = deadline.remaining_s()
    plan = Plan(candidate_count, way.rank.cost.affordable(remaining_s, len(wanted)), remaining_s)
    ranked = trace.run(Stage.RANK, len(wanted), lambda: way.rank.rank(user, wanted, plan.rank_count, request.page_size, deadline, trace), len)
    slate = trace.run(Stage.COMPOSE, len(ranked), lambda: _keep_in_reserve(way.composer.compose(ranked, request.page_size), surplus), len)

    if len(slate) + slate.reserve_count + len(removed) != len(answer.found):
        raise StageFailure(f"{len(answer.found)} rows were retrieved, {len(slate)} served, {slate.reserve_count} in reserve, {len(removed)} removed")
    return Recommended(
        slate=slate,
        removed=removed,
        degradations=tuple(trace.degradations),
        records=tuple(trace.records),
        plan=plan,
        profile=way.profile,
        receipt=way.receipts.write(request.request_id),
        scoring_form=ranked.form,
        retrieval_method=answer.method,
        retrieved_count=len(answer.found),
    )


def _check_pin(request: RecommendRequest, bundle: Bundle) -> None:
    version = bundle.manifest.version
    if request.bundle_version and request.bundle_version != version:
        raise BundleNotLoaded(
            f'bundle "{request.bundle_version}" is not loaded, "{version}" is; drop the pin or ask a server that serves it',
            {"wanted": request.bundle_version, "loaded": version},
        )


def _candidate_count(request: RecommendRequest, default: int) -> int:
    if request.candidate_count == 0:
        return max(default, request.page_size)
    if request.candidate_count < request.page_size:
        raise InvalidRequest(FieldViolation("candidate_count", f"{request.candidate_count} is less than page_size {request.page_size}"))
    return request.candidate_count


def _cut(kept: Candidates, count: int) -> tuple[Candidates, Candidates]:
    """(the first `count`, the others)."""
    if len(kept) <= count:
        return kept, Candidates.empty()
    return kept.take(slice(0, count)), kept.take(slice(count, None))


def _keep_in_reserve(slate: Slate, surplus: Candidates) -> Slate:
    """Rows that were over-fetched and survived the filters are in reserve too."""
    if not len(surplus):
        return slate
    return Slate(slate.rows, slate.scores, slate.similarities, np.concatenate([slate.considered, surplus.rows]))
