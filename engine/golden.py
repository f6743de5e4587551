"""Golden requests: what a bundle must answer, written at build and proved before a bundle serves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import ArtifactError, ArtifactReason, RequestError
from domain.request import RecommendRequest, SentValue
from domain.terms import Terms
from engine.recommend import Engine

FILE_NAME = "golden.jsonl"
REQUEST_COUNT = 16  # half exact, half through the index: enough to see a wrong file, cheap enough for every start
# Another kind of processor sums in another order; this is well above float32 rounding of a ranker and well below a wrong column.
TOLERANCE = 1e-3


def write_golden(engine: Engine, requests: Iterable[RecommendRequest], directory: Path) -> int:
    """Answer the requests and write them with their slates, one JSON object a line. Returns how many. Raises RequestError."""
    lines = [json.dumps({"request": _request_json(r), "slate": _answer(engine, r)}, sort_keys=True) for r in requests]
    (directory / FILE_NAME).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def prove(engine: Engine, directory: Path) -> None:
    """Ask every golden request again. Raises ArtifactError(QUALITY_GATE) with the first slate that came out differently."""
    path = directory / FILE_NAME
    for number, line in enumerate(_read_lines(path), 1):
        problem = _disproof(engine, line)
        if problem:
            raise ArtifactError(path, ArtifactReason.QUALITY_GATE, f"line {number}: {problem}")


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise ArtifactError(path, ArtifactReason.QUALITY_GATE, f"cannot be read ({problem}); build the bundle again") from problem
    if not lines:
        raise ArtifactError(path, ArtifactReason.QUALITY_GATE, "holds no golden request, so nothing proves the bundle; build it again")
    return lines


def _disproof(engine: Engine, line: str) -> str:
    """What is wrong with one golden line or its answer, in words; empty when it comes out again."""
    try:
        golden = json.loads(line)
        request = _request_from_json(golden["request"])
        expected = [(str(creator_id), float(score)) for creator_id, score in golden["slate"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        return f"is no golden request ({problem!r}); build the bundle again"
    try:
        served = [(str(creator_id), float(score)) for creator_id, score in _answer(engine, request)]
    except RequestError as problem:
        return f"the bundle does not answer its own request: {problem}"
    difference = first_difference(expected, served)
    return f"the slate is not the one of the build: {difference}; the bundle was changed or this machine computes differently" if difference else ""


def first_difference(expected: Sequence[tuple[str, float]], served: Sequence[tuple[str, float]]) -> str:
    """Where two slates differ by more than the tolerance, in words; empty when they agree. Neighbours whose scores agree may change places."""
    if len(expected) != len(served):
        return f"{len(served)} creators instead of {len(expected)}"
    known = dict(expected)
    for place, ((wanted_id, wanted), (got_id, got)) in enumerate(zip(expected, served, strict=True), 1):
        if not _close(wanted, got):
            return f"place {place}: score {got:g} ({got_id}) instead of {wanted:g} ({wanted_id})"
        if got_id in known and not _close(known[got_id], got):
            return f"place {place}: {got_id} scores {got:g} instead of {known[got_id]:g}"
    return ""


def _close(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))


def _answer(engine: Engine, request: RecommendRequest) -> list[list[Any]]:
    slate = engine.recommend(request, Terms.unhurried(engine.clock)).slate
    return [[creator_id, score] for creator_id, score in zip(engine.creators.ids_of(slate.rows), slate.scores.tolist(), strict=True)]


def _request_json(request: RecommendRequest) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "user_id": request.user_id,
        "embeddings": {space: vector.tolist() for space, vector in request.embeddings.items()},
        "user_features": _values_json(request.user_features),
        "context_features": _values_json(request.context_features),
        "exact": request.exact,
        "as_of_time_s": request.as_of_time_s,
    }


def _values_json(values: Mapping[str, SentValue]) -> dict[str, Any]:
    return {name: _value_json(value) for name, value in values.items()}


def _value_json(value: SentValue) -> list[Any]:
    if isinstance(value, np.ndarray):
        return ["numbers" if value.dtype.kind == "f" else "integers", value.tolist()]
    if isinstance(value, tuple):
        return ["texts", list(value)]
    return [{float: "number", int: "integer", str: "text"}[type(value)], value]


def _value_from_json(kind: str, value: Any) -> SentValue:
    readers: dict[str, Any] = {
        "number": float,
        "integer": int,
        "text": str,
        "texts": tuple,
        "numbers": lambda v: np.array(v, np.float32),
        "integers": lambda v: np.array(v, np.int64),
    }
    read: SentValue = readers[kind](value)
    return read


def _request_from_json(golden: Mapping[str, Any]) -> RecommendRequest:
    return RecommendRequest(
        request_id=golden["request_id"],
        user_id=golden["user_id"],
        embeddings={space: np.array(vector, np.float32) for space, vector in golden["embeddings"].items()},
        user_features={name: _value_from_json(*value) for name, value in golden["user_features"].items()},
        context_features={name: _value_from_json(*value) for name, value in golden["context_features"].items()},
        exact=golden["exact"],
        as_of_time_s=golden["as_of_time_s"],
    )
