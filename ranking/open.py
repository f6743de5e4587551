"""Opens a compiled ranker for serving. Reads no ONNX by itself: binding.json, the manifest's description and the tables say everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Creators, InputSchema
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from ranking.bound import Binding
from ranking.onnx_ranker import OnnxRanker, bind_tables
from ranking.plan import BINDING_FILE, FORMS, SERVED_FILE, TABLES_FOLDER, RankerDescription, TableInput
from ranking.session import ServedSession, open_session


def open_ranker(directory: Path, description: Mapping[str, Any], creators: Creators, provider: str = "cpu", threads: int = 1) -> OnnxRanker:
    """The ranker in `directory`. Call it in the process that will run it, before it serves: the runtime holds the interpreter lock meanwhile.

    description: what `RankerDescription.to_json` gave. provider: "cpu", "cuda" (never falls back) or "auto". threads: of one call.
    Raises ProviderUnavailable, ArtifactError, InputNotFound.
    """
    parsed = _parse(directory, description)
    binding = _read_binding(directory)
    arrays = {t.name: _open_table(directory / TABLES_FOLDER, t, creators) for t in parsed.tables}
    served = open_session(directory / SERVED_FILE, provider, threads)
    _check_graph(directory / SERVED_FILE, served, parsed)
    user, context = ({spec.name: spec for spec in specs} for specs in (parsed.user, parsed.context))
    schema = InputSchema(user, context, binding.vocabularies)
    return OnnxRanker(served, parsed, creators, schema, bind_tables(parsed, arrays, served.provider))


def _check_graph(path: Path, served: ServedSession, parsed: RankerDescription) -> None:
    """Refuse a graph that takes or gives something else than the manifest says: it would fail at the first request."""
    given = {value.name for value in (*served.session.get_inputs(), *served.session.get_outputs())}
    named = [parsed.rows, parsed.top_count, parsed.similarities, parsed.weights, parsed.scores, parsed.best, parsed.top]
    wanted = {name for name in (*named, *(r.name for r in parsed.requests), *(t.name for t in parsed.tables)) if name}
    if given != wanted:
        text = f"differs from what the manifest says in {', '.join(sorted(given ^ wanted))}; build the bundle again"
        raise ArtifactError(path, ArtifactReason.MODEL_SIGNATURE, text)


def _parse(directory: Path, description: Mapping[str, Any]) -> RankerDescription:
    try:
        parsed = RankerDescription.from_json(description)
    except (KeyError, TypeError, ValueError) as problem:
        text = f'the description of the ranker "{directory.name}" is incomplete ({problem!r}); build the bundle again'
        raise ArtifactError("manifest.json", ArtifactReason.MANIFEST_INVALID, text) from problem
    if parsed.form not in FORMS:
        text = f'the ranker "{directory.name}" has the form "{parsed.form}", which this version cannot serve; build the bundle again'
        raise ArtifactError("manifest.json", ArtifactReason.MANIFEST_INVALID, text)
    return parsed


def _read_binding(directory: Path) -> Binding:
    path = directory / BINDING_FILE
    try:
        return Binding.from_json(json.loads(path.read_bytes()))
    except OSError as problem:
        raise InputNotFound(f"{path}: cannot be read ({problem.strerror}); build the bundle again") from problem
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ArtifactError(path, ArtifactReason.BINDING_INVALID, f"is not what a build writes ({problem!r}); build the bundle again") from problem


def _open_table(directory: Path, table: TableInput, creators: Creators) -> AnyArray:
    """The table, memory-mapped read-only; the catalogue's embeddings where the description says so."""
    if not table.file:
        return np.asarray(creators.embeddings)
    path = directory / table.file
    try:
        array: AnyArray = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as problem:
        raise InputNotFound(f"{path}: cannot be read ({problem}); build the bundle again") from problem
    except (ValueError, EOFError) as problem:
        raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, f"is no plain array ({problem}); build the bundle again") from problem
    if array.dtype != np.dtype(table.dtype) or array.shape != table.shape or not array.flags.c_contiguous or len(array) != len(creators):
        text = f"holds {array.dtype} {array.shape}, the manifest says {table.dtype} {table.shape}; build the bundle again"
        raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, text)
    return np.asarray(array)
