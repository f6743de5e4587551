"""The composition root of serving. `prepare` runs before the fork and loads what is shared; `Prepared.start` runs in each worker after it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bundle.open import Bundle, check_files, check_tables, open_bundle, read_manifest
from domain.deadline import Clock
from domain.errors import ArtifactError, ArtifactReason, ConfigurationError
from domain.progress import SILENT
from domain.slate import Profile
from domain.stages import Progress
from engine.blame import blaming
from engine.budget_curve import read_curve
from engine.cost_model import CostModel
from engine.drill import Drill, DrilledRanker
from engine.golden import prove
from engine.load import Load
from engine.look_up import UserLookUp
from engine.memory import check_room, free_bytes, limited, mapped_bytes
from engine.plan import Planner
from engine.rank_within import OnFailure, RankWithin
from engine.recommend import Engine, Way
from engine.sample_request import sample_requests, sample_user
from engine.sent_features import SentFeatures
from engine.stage_cost import StageCost
from engine.warm_up import WarmUp
from ranking.load import LoadedRanker, load_ranker
from ranking.plan import FORM_NARROWED
from ranking.similarity_ranker import SimilarityRanker
from retrieval.cost import SHIPPED
from retrieval.open import open_retriever
from retrieval.retriever import IndexRetriever
from slate.receipt import ReceiptWriter
from slate.top_n import TopNComposer

if TYPE_CHECKING:
    from ranking.onnx_ranker import OnnxRanker  # brings onnxruntime


WARM_UP_REQUEST_COUNT = 5


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a worker runs the rankers. provider: "cpu", "cuda" or "auto". proved: another worker has proved this bundle already.

    work_clock: the processor time of the calling thread, in seconds.
    drill: slows the rankers down after they have been measured; None, as everywhere but in drills, is on the way of no request.
    """

    provider: str = "cpu"
    proved: bool = False
    work_clock: Clock = time.thread_time
    drill: Drill | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bundle with its indexes and tables loaded, and no ONNX session yet: fork as often as you like, then `start` in the child."""

    bundle: Bundle
    retrievers: Mapping[str, IndexRetriever]
    rankers: Mapping[str, LoadedRanker]

    def start(self, options: StartOptions, clock: Clock, on_failure: OnFailure) -> Engine:
        """Create the ONNX sessions, warm up, measure what the stages cost and prove the golden requests.

        Raises ArtifactError when the bundle does not give its golden slates or contradicts itself, ProviderUnavailable for a provider that is absent.
        """
        with blaming(self.bundle.path, ArtifactReason.MANIFEST_INVALID, "starting it"):
            if options.provider != "cpu":  # drivers of GPUs reserve more addresses than there is memory
                return self._start(options, clock, on_failure)
            with limited(free_bytes()):
                return self._start(options, clock, on_failure)

    def _start(self, options: StartOptions, clock: Clock, on_failure: OnFailure) -> Engine:
        rankers = self._start_rankers(options.provider)
        if any(ranker.served.provider != "cpu" for ranker in rankers.values()):
            options = replace(options, work_clock=clock)  # the processor's time says nothing about work that a GPU does
        warm_up, rank_costs = WarmUp(self.bundle, options.work_clock), {}
        for name, ranker in rankers.items():
            with blaming(self.rankers[name].directory, ArtifactReason.MODEL_SIGNATURE, "running its ranker for the first time"):
                rank_costs[name] = warm_up.rank(ranker)
        ways = {}
        for name, profile in self.bundle.manifest.profiles.items():
            self._check_objective(name, rankers[profile.ranker], profile)
            ways[name] = self._way(profile, rankers[profile.ranker], on_failure)
        engine = Engine(self.bundle, ways, clock, Load(), read_curve(self.bundle))
        if not options.proved and not self._widened:
            prove(self._as_built(engine), self.bundle.path)
        measured = {name: self._measured(warm_up, engine, way, rank_costs[way.profile.ranker], options) for name, way in ways.items()}
        return replace(engine, ways=measured)

    def _measured(self, warm_up: WarmUp, engine: Engine, way: Way, rank_cost: StageCost, options: StartOptions) -> Way:
        """The same way with its costs on this machine, and slowed down where a drill asks for it."""
        ranker = way.rank.ranker
        user = sample_user(self.bundle, ranker.schema)
        requests = [replace(r, surface=way.profile.name) for r in sample_requests(self.bundle, ranker.schema, WARM_UP_REQUEST_COUNT)]
        costs = CostModel(
            rank=rank_cost,
            retrieve=warm_up.retrieve(way.retriever, user, exact=False),
            exact=warm_up.retrieve(way.retriever, user, exact=True),
            rest=warm_up.rest(engine.recommend, requests),
            candidate_count=warm_up.count,
        )
        drilled = ranker if options.drill is None else DrilledRanker(ranker, options.drill)
        return replace(way, rank=replace(way.rank, ranker=drilled, planner=Planner(costs, engine.load, options.work_clock)))

    @property
    def _widened(self) -> bool:
        """Whether a ranker that was narrowed runs whole: golden slates are the narrowed one's, and were proved when they were written."""
        described = self.bundle.manifest.rankers
        return any(described[name]["form"] == FORM_NARROWED and loaded.description.form != FORM_NARROWED for name, loaded in self.rankers.items())

    def _check_objective(self, name: str, ranker: OnnxRanker, profile: Profile) -> None:
        try:
            ranker.check_objective(profile.objective)
        except ConfigurationError as problem:
            raise ArtifactError(self.bundle.path / "manifest.json", ArtifactReason.MANIFEST_INVALID, f'profile "{name}": {problem}') from problem

    def _start_rankers(self, provider: str) -> Mapping[str, OnnxRanker]:
        from ranking.open import start_ranker  # noqa: PLC0415 - brings onnxruntime, which must not be in a process that will still fork

        return {name: start_ranker(loaded, self.bundle.creators, provider) for name, loaded in self.rankers.items()}

    def _way(self, profile: Profile, ranker: OnnxRanker, on_failure: OnFailure) -> Way:
        """Nothing costs anything yet: everything is planned."""
        manifest, creators, schema = self.bundle.manifest, self.bundle.creators, ranker.schema
        look_up = UserLookUp(
            users=self.bundle.users,
            space=manifest.embedding_space,
            dimension_count=manifest.dimension_count,
            user_features=SentFeatures("user", "user.features", schema.user, schema.vocabularies, creators),
            context_features=SentFeatures("context", "context_features", schema.context, schema.vocabularies, creators),
        )
        within = RankWithin(
            ranker=ranker,
            fallback=SimilarityRanker(creators),
            planner=Planner(CostModel()),
            objective=profile.objective,
            id_ranks=np.asarray(creators.id_ranks),
            on_failure=on_failure,
            fell_back=ranker.served.fell_back,
            form=ranker.description.form,
        )
        return Way(profile, look_up, self.retrievers[profile.index], within, TopNComposer(), ReceiptWriter(self.bundle.digest, profile.name))

    def _as_built(self, engine: Engine) -> Engine:
        """The same engine as the build had it: a proof must not depend on how fast this machine searches."""
        ways = {name: replace(way, retriever=self.retrievers[way.profile.index].planned_by(SHIPPED)) for name, way in engine.ways.items()}
        return replace(engine, ways=ways)


def prepare(path: Path, progress: Progress = SILENT, clock: Clock | None = None, whole: bool = False) -> Prepared:
    """Open a bundle, check digests and structure, and load what workers share. No threads, no gRPC, no onnxruntime: the caller may fork afterwards.

    clock: in seconds, for who will serve: the crossover between index and scan is fitted to this machine. Raises ArtifactError or InputNotFound.
    """
    with blaming(path, ArtifactReason.MANIFEST_INVALID, "opening it"):
        check_files(path, read_manifest(path)[0], progress)  # before anything is opened: what was damaged is called so
        bundle = open_bundle(path)
        check_tables(bundle)
        check_room(path, bundle.manifest, whole)
        with limited(free_bytes(), mapped_bytes(bundle.manifest, whole)):
            return load(bundle, clock, whole)


def load(bundle: Bundle, clock: Clock | None = None, whole: bool = False) -> Prepared:
    """Load indexes and tables of a bundle whose files were checked, or have just been written. clock, whole: as of `prepare`."""
    for name, description in bundle.manifest.indexes.items():
        if description.get("space") != bundle.manifest.space:
            text = f'the index "{name}" is for the space {description.get("space")!r:.80}, the bundle for "{bundle.manifest.space}"; build it again'
            raise ArtifactError(bundle.path / "manifest.json", ArtifactReason.INDEX_MISMATCH, text)
    retrievers = {
        name: open_retriever(bundle.path / "indexes" / name, description, bundle.creators, bundle.manifest.emerging_tiers, clock)
        for name, description in bundle.manifest.indexes.items()
    }
    rankers = {
        name: load_ranker(bundle.path / "rankers" / name, description, bundle.creators, whole)
        for name, description in bundle.manifest.rankers.items()
    }
    return Prepared(bundle, retrievers, rankers)
