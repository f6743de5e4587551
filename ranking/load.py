"""Loads what the workers of a ranker share: its description, its binding and its tables. Imports no runtime, so it may run before the fork."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from domain.arrays import AnyArray
from domain.columns import Creators
from domain.errors import ArtifactError, ArtifactReason
from ranking.bound import Binding
from ranking.check_description import check_description
from ranking.plan import BINDING_FILE, FORMS, TABLES_FOLDER, RankerDescription, TableInput
from ranking.served_graph import check_served_graph


@dataclass(frozen=True, slots=True)
class LoadedRanker:
    """A compiled ranker without a session. Read-only; forked processes share it. tables: by the name of the input that takes them. whole: its whole
    form, where that settles near ties; with mapped tables, since it is asked for few rows of few requests."""

    directory: Path
    description: RankerDescription
    binding: Binding
    tables: Mapping[str, AnyArray]
    whole: LoadedRanker | None = None


def load_ranker(directory: Path, description: Mapping[str, Any], creators: Creators, whole: bool = False) -> LoadedRanker:
    """The ranker in `directory`. description: what `RankerDescription.to_json` gave. whole: as it was exported, whatever form the build chose.

    Raises ArtifactError.
    """
    parsed = _parse(directory, description)
    check_description(parsed, directory.name, creators)
    for file in parsed.files:
        check_served_graph(directory / file)
    return load_described(directory, parsed.as_whole() if whole else parsed, _read_binding(directory), creators)


def load_described(directory: Path, description: RankerDescription, binding: Binding, creators: Creators, mapped: bool = False) -> LoadedRanker:
    """The same without checks, for what a build wrote itself. mapped: leave the tables in their files. Raises ArtifactError."""
    folder = directory / TABLES_FOLDER
    tables = {table.name: load_table(folder, table, creators, mapped) for table in description.tables}
    whole = load_described(directory, description.as_whole(), binding, creators, mapped=True) if description.near else None
    return LoadedRanker(directory, description, binding, tables, whole)


def read_ranker(directory: Path, description: Mapping[str, Any]) -> tuple[RankerDescription, Binding]:
    """(description, binding) of the ranker in `directory`, without its tables: for who only looks at it. Raises as `load_ranker`."""
    return _parse(directory, description), _read_binding(directory)


def _parse(directory: Path, description: Mapping[str, Any]) -> RankerDescription:
    try:
        parsed = RankerDescription.from_json(description)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        text = f'the description of the ranker "{directory.name}" is incomplete ({problem!r}); build the bundle again'
        raise ArtifactError("manifest.json", ArtifactReason.MANIFEST_INVALID, text) from problem
    if parsed.form not in FORMS:
        text = f'the ranker "{directory.name}" has the form "{parsed.form}", which this version cannot serve; build the bundle again'
        raise ArtifactError("manifest.json", ArtifactReason.MANIFEST_INVALID, text)
    return parsed


def _read_binding(directory: Path) -> Binding:
    path = directory / BINDING_FILE
    try:
        return _with_codes_that_fit(Binding.from_json(json.loads(path.read_bytes())))
    except OSError as problem:
        raise ArtifactError(path, ArtifactReason.CHECKSUM_MISMATCH, f"cannot be read ({problem.strerror}); build the bundle again") from problem
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        raise ArtifactError(path, ArtifactReason.BINDING_INVALID, f"is not what a build writes ({problem!r}); build the bundle again") from problem


def _with_codes_that_fit(binding: Binding) -> Binding:
    """The same. Raises OverflowError when a vocabulary has a code beyond int64: encoding a text would fail, request by request."""
    for vocabulary in binding.vocabularies.values():
        np.array([vocabulary.first, vocabulary.first + len(vocabulary.values), vocabulary.unknown], np.int64)
    return binding


def load_table(directory: Path, table: TableInput, creators: Creators, mapped: bool = False) -> AnyArray:
    """The table in memory, on huge pages where NumPy gets them: a gather from a mapped file misses the TLB at every row. Or just that, `mapped`, for
    who gathers little. The catalogue's embeddings, memory-mapped, where the description says so."""
    if not table.file:
        return np.asarray(creators.embeddings)
    path = directory / table.file
    try:
        with path.open("rb") as file:  # a header may promise more than there is, or than memory holds
            npy_format.read_magic(file)
            shape, by_columns, dtype = npy_format.read_array_header_1_0(file)
        if dtype != np.dtype(table.dtype) or shape != table.shape or by_columns:
            text = f"holds {dtype} {shape!r:.80}, the manifest says {table.dtype} {table.shape}; build the bundle again"
            raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, text)
        array: AnyArray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except OSError as problem:
        raise ArtifactError(path, ArtifactReason.CHECKSUM_MISMATCH, f"cannot be read ({problem}); build the bundle again") from problem
    except (ValueError, EOFError, MemoryError, RecursionError) as problem:
        raise ArtifactError(path, ArtifactReason.FEATURES_INVALID, f"is no plain array ({problem}); build the bundle again") from problem
    array.flags.writeable = False
    return array
