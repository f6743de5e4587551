"""Starts a compiled ranker: the ONNX session and what calls it. Reads no ONNX by itself: binding, description and tables say everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.columns import Creators, InputSchema
from domain.errors import ArtifactError, ArtifactReason
from ranking.bound import Binding
from ranking.load import LoadedRanker, load_described, load_ranker
from ranking.onnx_ranker import OnnxRanker, bind_tables
from ranking.plan import RankerDescription
from ranking.session import ServedSession, open_session


def open_ranker(
    directory: Path, description: Mapping[str, Any], creators: Creators, provider: str = "cpu", threads: int = 1, whole: bool = False
) -> OnnxRanker:
    """Load and start the ranker in `directory`, in one process: for builds and tests. Arguments and errors as for the two halves."""
    return start_ranker(load_ranker(directory, description, creators, whole), creators, provider, threads)


def open_described(directory: Path, description: RankerDescription, binding: Binding, creators: Creators) -> OnnxRanker:
    """The same while a build still decides: by the graph that `description` names, without checks of what the build itself wrote."""
    return start_ranker(load_described(directory, description, binding, creators), creators)


def start_ranker(loaded: LoadedRanker, creators: Creators, provider: str = "cpu", threads: int = 1) -> OnnxRanker:
    """The ranker, ready to score. Call it in the process that will run it, before it serves: the runtime holds the interpreter lock meanwhile.

    provider: "cpu", "cuda" (never falls back) or "auto". threads: of one call. Raises ProviderUnavailable, ArtifactError.
    """
    described = loaded.description
    served = open_session(loaded.directory / described.file, provider, threads)
    _check_graph(loaded.directory / described.file, served, described)
    user, context = ({spec.name: spec for spec in specs} for specs in (described.user, described.context))
    schema = InputSchema(user, context, loaded.binding.vocabularies)
    tables = bind_tables(described, loaded.tables, served.provider)
    ranker = OnnxRanker(served, described, creators, schema, tables)
    if loaded.whole is None or served.provider != "cpu":  # a GPU rounds otherwise than the processor for which near ties were found
        return ranker
    return ranker.settled_by(start_ranker(loaded.whole, creators, "cpu", threads), described.near)


def _check_graph(path: Path, served: ServedSession, parsed: RankerDescription) -> None:
    """Refuse a graph that takes or gives something else than the manifest says: it would fail at the first request."""
    given = {value.name for value in (*served.session.get_inputs(), *served.session.get_outputs())}
    named = [parsed.rows, parsed.top_count, parsed.similarities, parsed.weights, parsed.scores, parsed.best, parsed.top]
    wanted = {name for name in (*named, *(r.name for r in parsed.requests), *(t.name for t in parsed.tables)) if name}
    if given != wanted:
        text = f"differs from what the manifest says in {', '.join(sorted(given ^ wanted))}; build the bundle again"
        raise ArtifactError(path, ArtifactReason.MODEL_SIGNATURE, text)
