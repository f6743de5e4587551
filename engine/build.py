"""`earshot build`: parquet and ONNX in, a proved bundle out. Composes what bundle/, retrieval/ and ranking/ offer; publishes all or nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bundle.creators import write_creators
from bundle.ignored_columns import check_ignored
from bundle.manifest import Manifest, content_digest
from bundle.open import Bundle, open_creators, open_users
from bundle.publish import Draft
from bundle.rules import ReadRules
from bundle.table import TableSummary
from bundle.user_store import BundleUsers
from bundle.users import write_users
from domain.arrays import FloatArray
from domain.columns import Creators, Users
from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, RequestError, StageFailure
from domain.request import RecommendRequest
from domain.slate import Profile, Stage
from domain.stages import Progress
from domain.terms import Terms
from engine.budget_curve import BudgetCurve, measure_curve, showing_all, write_curve
from engine.expected import check_expected
from engine.golden import REQUEST_COUNT, write_golden
from engine.open import Prepared, StartOptions, load
from engine.recommend import Engine
from engine.sample_request import sample_requests
from ranking.binding import Binding, read_binding
from ranking.compile import CompileOptions, RankerSource, compile_ranker
from retrieval.description import IndexDescription
from retrieval.hnsw_build import IndexOptions, build_index

QUERY_COUNT = 2_000  # recall is stated to one point: 2,000 queries put its standard error near 0.1 points
CURVE_USER_COUNT = 128  # puts the standard error of the budget curve near 0.01 of NDCG
VERSION_LENGTH = 12  # hexadecimal digits of the content's digest: short enough to read out, long enough never to meet twice
SAMPLE_SEED = 20_26  # any fixed number: the same inputs must measure the same recall


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What `earshot build` is told; names as in its flags."""

    creators: Path
    ranker: Path
    out: Path
    users: Path | None = None
    binding: Path | None = None
    expected: Path | None = None
    space: str = "cosine"
    embedding_space: str = ""
    bundle_version: str = ""
    candidates: int = 200
    recall: float = 0.95
    emerging_tiers: tuple[str, ...] = ()
    ignored_columns: frozenset[str] = field(default_factory=frozenset)
    m: int = 16
    ef_construction: int = 400
    threads: int = os.cpu_count() or 1
    narrow: bool = False


def build(options: BuildOptions, progress: Progress) -> Manifest:
    """Build a bundle at `options.out`. Raises ArtifactError, InputNotFound, OutputNotWritable, ConfigurationError; nothing is left at `out` then."""
    binding = read_binding(options.ranker, options.binding)
    _check_bound(binding, options.ignored_columns)
    check_ignored(options.ignored_columns, {"creator": options.creators} | ({"user": options.users} if options.users else {}))
    with Draft(options.out) as draft, _naming(draft, options.out):
        catalogue, listed = _write_tables(options, binding, draft.path, progress)
        creators, users = open_creators(draft.path), open_users(draft.path)
        index = _build_index(options, creators, users, draft.path, progress)
        user_columns = listed.columns if listed else ()
        ranker_directory = draft.path / "rankers" / "default"
        ranker_directory.mkdir(parents=True)
        source = RankerSource(options.ranker, binding, creators, user_columns, users)
        ranker = compile_ranker(source, ranker_directory, progress, CompileOptions(time.thread_time, options.threads, narrows=options.narrow))

        digest = content_digest(draft.file_records())
        version = options.bundle_version or digest[:VERSION_LENGTH]
        manifest = Manifest(
            version=version,
            embedding_space=options.embedding_space or version,
            space=options.space,
            dimension_count=catalogue.dimension_count,
            creator_count=catalogue.count,
            user_count=listed.count if listed else 0,
            candidate_count=options.candidates,
            emerging_tiers=options.emerging_tiers,
            creator_columns=catalogue.columns,
            user_columns=user_columns,
            profiles={"default": Profile(objective=ranker.objective)},
            indexes={"default": index.to_json()},
            rankers={"default": ranker.to_json()},
            recall=index.recall,
            left_out=catalogue.left_out + (listed.left_out if listed else ()),
            dropped={**catalogue.dropped, **(listed.dropped if listed else {})},
            build=_build_record(options),
        )
        _prove(options, Bundle(draft.path, manifest, digest, creators, BundleUsers(users) if users is not None else None), progress)
        return draft.publish(manifest)


def _check_bound(binding: Binding, ignored: frozenset[str]) -> None:
    """A column of creators cannot be read and ignored at once. One of users can: requests send it instead."""
    rules = ReadRules(ignored=ignored)
    for name in sorted(binding.bound):
        if name.startswith("creator.") and rules.ignores(name):
            raise ConfigurationError(f'--ignore-column: "{name}" is read by the ranker; drop the flag, or take the column out of the binding')


@contextmanager
def _naming(draft: Draft, out: Path) -> Iterator[None]:
    """Files of the draft are named as they would have been called: the draft is gone when somebody reads the error."""
    try:
        yield
    except ArtifactError as error:
        file = Path(error.file)
        if not file.is_relative_to(draft.path):
            raise
        raise ArtifactError(out / file.relative_to(draft.path), error.reason, error.text) from error


def _write_tables(options: BuildOptions, binding: Binding, directory: Path, progress: Progress) -> tuple[TableSummary, TableSummary | None]:
    rules = ReadRules(
        vocabularies=binding.vocabularies,
        creator_sequences=binding.creator_sequences,
        nullable=binding.nullable,
        bound=binding.bound,
        sequences=binding.sequences,
        ignored=options.ignored_columns,
    )
    catalogue = write_creators(options.creators, directory, rules, progress)
    if options.users is None:
        return catalogue, None
    return catalogue, write_users(options.users, directory, rules, open_creators(directory), progress)


def _build_index(options: BuildOptions, creators: Creators, users: Users | None, directory: Path, progress: Progress) -> IndexDescription:
    queries = None if users is None or not len(users) else _sample(users.embeddings, QUERY_COUNT)
    target = directory / "indexes" / "default"
    target.mkdir(parents=True)
    index_options = IndexOptions(
        space=options.space,
        m=options.m,
        ef_construction=options.ef_construction,
        candidate_count=options.candidates,
        recall=options.recall,
        threads=options.threads,
        query_count=QUERY_COUNT,
    )
    return build_index(creators.embeddings, creators.norms, queries, target, index_options, progress)


def _sample(embeddings: FloatArray, count: int) -> FloatArray:
    rows = np.random.default_rng(SAMPLE_SEED).permutation(len(embeddings))[:count]
    sampled: FloatArray = np.ascontiguousarray(embeddings[np.sort(rows)])
    return sampled


def _prove(options: BuildOptions, bundle: Bundle, progress: Progress) -> None:
    """Run the draft as a worker would: the trainer's scores come out again, and golden requests are written with their slates."""
    progress.start("proving the ranker", 2)
    engine = _start(load(bundle))
    if options.expected is not None:  # it tells swapped columns: what narrowing costs is measured, and judged by the order it leaves
        check_expected(options.expected, _start(load(bundle, whole=True)) if options.narrow else engine)
    progress.advance(1)
    schema = engine.ways["default"].rank.ranker.schema
    try:
        write_golden(engine, sample_requests(bundle, schema, REQUEST_COUNT), bundle.path)
        write_curve(_curve(engine, sample_requests(bundle, schema, CURVE_USER_COUNT)), bundle.path)
    except RequestError as problem:
        text = f"the bundle cannot answer a sampled user: {problem}"
        raise ArtifactError(options.ranker, ArtifactReason.QUALITY_GATE, text) from problem
    progress.advance(1)


def _curve(engine: Engine, requests: Iterator[RecommendRequest]) -> BudgetCurve:
    """What ranking less costs, on sampled users."""
    count = min(engine.bundle.manifest.candidate_count, len(engine.creators))
    terms = Terms.unhurried(engine.clock)
    return measure_curve((engine.recommend(showing_all(request, count), terms).slate for request in requests), count)


def _start(prepared: Prepared) -> Engine:
    return prepared.start(StartOptions(proved=True), time.monotonic, _refuse_fallback)


def _refuse_fallback(stage: Stage, failure: Exception) -> None:
    """At build a rung that would be taken while serving is a failure."""
    raise StageFailure(f"{stage.name.lower()} failed while proving the bundle: {failure}") from failure


def _build_record(options: BuildOptions) -> dict[str, object]:
    """The options that shaped the bundle, without paths of the machine that built it."""
    return {
        "space": options.space,
        "candidates": options.candidates,
        "recall": options.recall,
        "m": options.m,
        "ef_construction": options.ef_construction,
        "ignored_columns": sorted(options.ignored_columns),
        "narrow": options.narrow,
    }
