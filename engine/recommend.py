"""The way of one request, on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bundle.open import Bundle
from domain.candidates import Candidates
from domain.columns import Creators
from domain.deadline import Clock
from domain.diagnosis import Diagnosis
from domain.errors import BundleNotLoaded, Canceled, FieldViolation, InvalidRequest, StageFailure
from domain.request import RecommendRequest
from domain.slate import Profile, Recommended, Slate, Stage
from domain.stages import Composer, Retriever
from domain.terms import Terms
from engine.budget_curve import BudgetCurve
from engine.cost_model import CostModel
from engine.diagnose import diagnose
from engine.load import Load
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
    """One opened bundle, ready to answer. `recommend` may be called from several threads at a time; what it learns on the way is locked.

    ways: by profile name; surfaces without a profile of their own take "default". load: how many requests run.
    curve: what ranking less costs, as the build measured it; None where the bundle has none.
    """

    bundle: Bundle
    ways: Mapping[str, Way]
    clock: Clock
    load: Load
    curve: BudgetCurve | None = None

    @property
    def creators(self) -> Creators:
        """The catalogue, to turn rows into ids and names at the edge."""
        return self.bundle.creators

    @property
    def costs(self) -> CostModel:
        """What a request of the default profile is expected to take (`full_s`, `least_s`), for who admits requests. Learns while serving."""
        return self.ways["default"].rank.planner.costs

    def recommend(self, request: RecommendRequest, terms: Terms) -> Recommended:
        """A slate, or a RequestError."""
        with self.load:
            try:
                answer = recommend(self, request, terms)
            except Canceled:
                self.load.over(left=True)
                raise
            self.load.over(left=not terms.active())
            return answer

    def diagnose(self, answer: Recommended) -> Diagnosis:
        """What else people may want to know of an answer."""
        rank = self.ways[answer.profile.name].rank
        return diagnose(answer, rank.planner.costs, rank.form, self.curve)


def recommend(engine: Engine, request: RecommendRequest, terms: Terms) -> Recommended:
    """Answer one request: look up, plan, retrieve, filter, plan again, rank, compose. Raises RequestError.

    Conservation: every retrieved row ends exactly once as served, removed or in reserve.
    """
    terms.check("start")
    _check_pin(request, engine.bundle)
    way = engine.ways.get(request.surface) or engine.ways["default"]
    planner, deadline = way.rank.planner, terms.deadline
    trace = Trace(engine.clock, planner.watch(engine.load.entered, request.exact))
    candidate_count = _candidate_count(request, engine.bundle.manifest.candidate_count)

    user = way.look_up.look_up(request, deadline)
    trace.end(Stage.LOOK_UP, 1, 1)
    restriction = way.retriever.restrict(request.filter, user)
    first_plan = planner.begin(candidate_count, request.page_size, request.exact, terms)
    retrieve_count = first_plan.retrieve_count
    trace.begin()
    answer = way.retriever.retrieve(user.embedding, retrieve_count, restriction, request.exact, deadline)
    found_count = len(answer.found)
    trace.end(Stage.RETRIEVE, len(engine.creators), found_count)
    terms.check("rank")
    kept, removed = restriction.split(answer.found)
    wanted, surplus = _cut(kept, retrieve_count)
    wanted_count, removed_count = len(wanted), len(removed)
    trace.end(Stage.FILTER, found_count, found_count - removed_count)
    if retrieve_count < candidate_count and wanted_count == retrieve_count:  # fewer because fewer exist is no rung
        trace.degrade(Stage.RETRIEVE, first_plan.reason, candidate_count, retrieve_count)
    plan = planner.again(first_plan, wanted_count, request.exact, terms)
    trace.begin()
    ranked, ranked_count = way.rank.rank(user, wanted, request.page_size, plan, terms, trace)
    trace.end(Stage.RANK, wanted_count, len(ranked))
    slate = _keep_in_reserve(way.composer.compose(ranked, request.page_size), surplus)
    trace.end(Stage.COMPOSE, wanted_count, len(slate))

    if len(slate.considered) + removed_count != found_count:
        raise StageFailure(f"{found_count} rows were retrieved, {len(slate.considered)} kept, {removed_count} removed")
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
        ranked_count=ranked_count,
        duration_s=planner.learn(trace, first_plan, request.exact),
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
