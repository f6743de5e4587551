"""Holds what a manifest says about a ranker against what a build can write, before anything is allocated or opened by it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import NoReturn

from domain.columns import ColumnSpec, Creators
from domain.errors import ArtifactError, ArtifactReason
from ranking.plan import CreatorPartPlan, RankerDescription, RequestInput, TableInput

DTYPES = frozenset(["bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32", "float64"])
TABLE_FILE = re.compile(r"[A-Za-z0-9_-]{1,64}\.npy")
MAX_REQUEST_ELEMENTS = 1 << 26  # a quarter of a gigabyte of float32 per request: far above what any ranker reads


def check_description(description: RankerDescription, name: str, creators: Creators) -> None:
    """Refuse tables outside the ranker's folder or of another length than the catalogue, types that are no plain numbers, and inputs without measure.

    Raises ArtifactError(MANIFEST_INVALID).
    """
    taken = [one for one in (description.inputs, description.whole) if one is not None]
    named = [description.prefix, *(r.name for one in taken for r in one.requests), *(t.name for one in taken for t in one.tables)]
    named += [one.name for one in description.creator.inputs] if description.creator is not None else []
    if not all(isinstance(text, str) and text for text in named):
        _refuse(name, "has an input without a name")
    _check_numbers(name, description)
    for spec in (*description.user, *description.context):
        _check_spec(name, spec)
    for one in taken:
        for table in one.tables:
            _check_table(name, table, creators)
        for request in one.requests:
            _check_request(name, request)
    if description.creator is not None:
        _check_creator_part(name, description, description.creator)


def _check_numbers(name: str, description: RankerDescription) -> None:
    if not all(math.isfinite(weight) for weight in description.objective.values()):
        _refuse(name, "has an objective that is not finite")
    if not 0.0 <= description.near < math.inf:
        _refuse(name, f"calls scores near that are {description.near!r} apart")
    if description.near and description.whole is None:
        _refuse(name, "has near ties, and no whole form to settle them")


def _check_spec(name: str, spec: ColumnSpec) -> None:
    if not isinstance(spec.name, str) or spec.dtype not in DTYPES or not 0 <= spec.width <= MAX_REQUEST_ELEMENTS:
        _refuse(name, f"reads a column {spec.name!r:.80} of {spec.width} x {spec.dtype!r:.80}")


def _check_table(name: str, table: TableInput, creators: Creators) -> None:
    if table.dtype not in DTYPES or not table.shape or not all(_is_count(length) for length in table.shape) or table.shape[0] != len(creators):
        _refuse(name, f"has a table {table.name!r:.80} of {table.dtype!r:.80} {table.shape!r:.80} for {len(creators)} creators")
    if not isinstance(table.file, str) or (table.file and TABLE_FILE.fullmatch(table.file) is None):
        _refuse(name, f"has a table in {table.file!r:.80}, which is no file of its folder")
    if not table.file and (table.dtype, table.shape) != ("float32", creators.embeddings.shape):
        _refuse(name, f"takes the embeddings as {table.dtype} {table.shape}, they are float32 {creators.embeddings.shape}")


def _check_request(name: str, request: RequestInput) -> None:
    if request.dtype not in DTYPES or not all(_is_count(length) for length in (*request.shape, request.length)):
        _refuse(name, f"has an input {request.name!r:.80} of {request.dtype!r:.80} {request.shape!r:.80}")
    for column in request.columns:
        _check_spec(name, column.spec)
        if not 0 <= column.width <= MAX_REQUEST_ELEMENTS or column.clip < 0:
            _refuse(name, f"reads {column.ref.text} {column.width} wide")
    count = (request.length or 1) * request.width
    if count > MAX_REQUEST_ELEMENTS or count != math.prod(request.shape):
        _refuse(name, f"has an input {request.name!r:.80} of the shape {request.shape!r:.80}, its columns have {count} elements")


def _check_creator_part(name: str, description: RankerDescription, plan: CreatorPartPlan) -> None:
    """It fills tables that there are, from columns of creators."""
    if not plan.tables or not set(plan.tables) <= {table.name for table in description.tables}:
        _refuse(name, f"computes the tables {plan.tables!r:.80}, which it does not read")
    for one in plan.inputs:
        if not one.shape or not one.columns or any(column.ref.side != "creator" for column in one.columns):
            _refuse(name, f"has a creators' part that takes {one.name!r:.80} {one.shape!r:.80} of something else than creators")
        _check_request(name, replace(one, shape=(1, *one.shape[1:])))


def _is_count(length: object) -> bool:
    return isinstance(length, int) and not isinstance(length, bool) and 0 <= length < 2**40


def _refuse(name: str, text: str) -> NoReturn:
    raise ArtifactError("manifest.json", ArtifactReason.MANIFEST_INVALID, f'the ranker "{name}" {text}; build the bundle again')
