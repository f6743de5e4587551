"""Loads what the workers of a ranker share: its description, its binding and its tables. Imports no runtime, so it may run before the fork."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.arrays import AnyArray
from domain.columns import Creators
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from ranking.bound import Binding
from ranking.plan import BINDING_FILE, FORMS, TABLES_FOLDER, RankerDescription, TableInput


@dataclass(frozen=True, slots=True)
class LoadedRanker:
    """A compiled ranker without a session. Read-only; forked processes share it. tables: by the name of the input that takes them."""

    directory: Path
    description: RankerDescription
    binding: Binding
    tables: Mapping[str, AnyArray]


def load_ranker(directory: Path, description: Mapping[str, Any], creators: Creators) -> LoadedRanker:
    """The ranker in `directory`. description: what `RankerDescription.to_json` gave. Raises ArtifactError, InputNotFound."""
    parsed = _parse(directory, description)
    tables = {table.name: _load_table(directory / TABLES_FOLDER, table, creators) for table in parsed.tables}
    return LoadedRanker(directory, parsed, _read_binding(directory), tables)


def read_ranker(directory: Path, description: Mapping[str, Any]) -> tuple[RankerDescription, Binding]:
    """(description, binding) of the ranker in `directory`, without its tables: for who only looks at it. Raises as `load_ranker`."""
    return _parse(directory, description), _read_binding(directory)


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


def _load_table(directory: Path, table: TableInput, creators: Creators) -> AnyArray:
    """The table in memory, on huge pages where NumPy gets them: a gather from a mapped file misses the TLB at every row. The catalogue's
    embeddings, memory-mapped, where the description says so."""
    if not table.file:
        return np.asarray(creators.embeddings)
    path = directory / table.file
    try:
        array: AnyArray = np.load(path, allow_pickle=False)
    except OSError as problem:
        raise InputNotFound(f"{path}: cannot be read ({problem}); build the bundle again") from problem
    except (ValueError, EOFError) as problem:
        raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, f"is no plain array ({problem}); build the bundle again") from problem
    if array.dtype != np.dtype(table.dtype) or array.shape != table.shape or not array.flags.c_contiguous or len(array) != len(creators):
        text = f"holds {array.dtype} {array.shape}, the manifest says {table.dtype} {table.shape}; build the bundle again"
        raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, text)
    array.flags.writeable = False
    return array
