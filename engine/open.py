"""The composition root of serving. `prepare` runs before the fork and loads what is shared; `Prepared.start` runs in each worker after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bundle.open import Bundle, check_files, check_tables, open_bundle, read_manifest
from domain.candidates import Candidates, Source
from domain.columns import InputSchema
from domain.deadline import Clock, Deadline
from domain.errors import ArtifactError, ArtifactReason, ConfigurationError
from domain.progress import SILENT
from domain.request import User
from domain.slate import Profile
from domain.stages import Progress, Ranker
from engine.blame import blaming
from engine.budget import RankingCost, measure_cost
from engine.cost_model import Costs
from engine.golden import prove
from engine.look_up import UserLookUp
from engine.memory import check_room, free_bytes, limited
from engine.rank_within import OnFailure, RankWithin
from engine.recommend import Engine, Way
from engine.sample_request import sample_user
from engine.sent_features import SentFeatures
from ranking.load import LoadedRanker, load_ranker
from ranking.similarity_ranker import SimilarityRanker
from retrieval.cost import SHIPPED
from retrieval.open import open_retriever
from retrieval.retriever import IndexRetriever
from slate.receipt import ReceiptWriter
from slate.top_n import TopNComposer

if TYPE_CHECKING:
    from ranking.onnx_ranker import OnnxRanker  # brings onnxruntime


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How a worker runs the rankers. provider: "cpu", "cuda" or "auto". proved: another worker has proved this bundle already."""

    provider: str = "cpu"
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bundle with its indexes and tables loaded, and no ONNX session yet: fork as often as you like, then `start` in the child."""

    bundle: Bundle
    retrievers: Mapping[str, IndexRetriever]
    rankers: Mapping[str, LoadedRanker]

    def start(self, options: StartOptions, clock: Clock, on_failure: OnFailure) -> Engine:
        """Create the ONNX sessions, warm up, measure the ranking cost and prove the golden requests.

        Raises ArtifactError when the bundle does not give its golden slates or contradicts itself, ProviderUnavailable for a provider that is absent.
        """
        with blaming(self.bundle.path, ArtifactReason.MANIFEST_INVALID, "starting it"):
            if options.provider != "cpu":  # drivers of GPUs reserve more addresses than there is memory
                return self._start(options, clock, on_failure)
            with limited(free_bytes()):
                return self._start(options, clock, on_failure)

    def _start(self, options: StartOptions, clock: Clock, on_failure: OnFailure) -> Engine:
        rankers = self._start_rankers(options.provider)
        costs = {}
        for name, ranker in rankers.items():
            with blaming(self.rankers[name].directory, ArtifactReason.MODEL_SIGNATURE, "running its ranker for the first time"):
                costs[name] = self._warm_up(ranker, clock)
        ways = {}
        for name, profile in self.bundle.manifest.profiles.items():
            ranker = rankers[profile.ranker]
            self._check_objective(name, ranker, profile)
            similarity_order = SimilarityRanker(self.bundle.creators)
            within = RankWithin(ranker, similarity_order, costs[profile.ranker], profile.objective, on_failure, fell_back=ranker.served.fell_back)
            ways[name] = self._way(profile, within, ranker.schema)
        engine = Engine(self.bundle, ways, clock, Costs(full_s=ways["default"].rank.cost.of(self.bundle.manifest.candidate_count)))
        if not options.proved:
            prove(self._as_built(engine), self.bundle.path)
        return engine

    def _check_objective(self, name: str, ranker: OnnxRanker, profile: Profile) -> None:
        try:
            ranker.check_objective(profile.objective)
        except ConfigurationError as problem:
            raise ArtifactError(self.bundle.path / "manifest.json", ArtifactReason.MANIFEST_INVALID, f'profile "{name}": {problem}') from problem

    def _start_rankers(self, provider: str) -> Mapping[str, OnnxRanker]:
        from ranking.open import start_ranker  # noqa: PLC0415 - brings onnxruntime, which must not be in a process that will still fork

        return {name: start_ranker(loaded, self.bundle.creators, provider) for name, loaded in self.rankers.items()}

    def _way(self, profile: Profile, within: RankWithin, schema: InputSchema) -> Way:
        manifest, creators = self.bundle.manifest, self.bundle.creators
        look_up = UserLookUp(
            users=self.bundle.users,
            space=manifest.embedding_space,
            dimension_count=manifest.dimension_count,
            user_features=SentFeatures("user", "user.features", schema.user, schema.vocabularies, creators),
            context_features=SentFeatures("context", "context_features", schema.context, schema.vocabularies, creators),
        )
        return Way(profile, look_up, self.retrievers[profile.index], within, TopNComposer(), ReceiptWriter(self.bundle.digest, profile.name))

    def _as_built(self, engine: Engine) -> Engine:
        """The same engine as the build had it: a proof must not depend on how fast this machine is, in ranking or in searching."""
        ways = {
            name: replace(way, rank=replace(way.rank, cost=RankingCost()), retriever=self.retrievers[way.profile.index].planned_by(SHIPPED))
            for name, way in engine.ways.items()
        }
        return replace(engine, ways=ways)

    def _warm_up(self, ranker: Ranker, clock: Clock) -> RankingCost:
        """Run the ranker at the counts it will see, so that no request pays for first runs, and learn what it costs."""
        count = min(self.bundle.manifest.candidate_count, len(self.bundle.creators))
        user = sample_user(self.bundle, ranker.schema)
        return measure_cost(lambda n: _rank_first(ranker, user, n, clock), max(1, count // 8), count, clock)


def prepare(path: Path, progress: Progress = SILENT, clock: Clock | None = None, whole: bool = False) -> Prepared:
    """Open a bundle, check digests and structure, and load what workers share. No threads, no gRPC, no onnxruntime: the caller may fork afterwards.

    clock: in seconds, for who will serve: the crossover between index and scan is fitted to this machine. Raises ArtifactError or InputNotFound.
    """
    with blaming(path, ArtifactReason.MANIFEST_INVALID, "opening it"):
        check_files(path, read_manifest(path)[0], progress)  # before anything is opened: what was damaged is called so
        bundle = open_bundle(path)
        check_tables(bundle)
        check_room(path, bundle.manifest, whole)
        with limited(free_bytes()):
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


def _rank_first(ranker: Ranker, user: User, count: int, clock: Clock) -> object:
    rows = np.arange(count, dtype=np.int64)
    candidates = Candidates.of(rows, np.linspace(1.0, 0.0, count, dtype=np.float32), Source.INDEX)
    return ranker.rank(user, candidates, min(count, 20), {}, Deadline.never(clock))
