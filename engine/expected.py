"""`--expected`: the trainer's own scores must come out of the served graph again. Nothing else can see two swapped columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.deadline import Deadline
from domain.errors import ArtifactError, ArtifactReason, InputNotFound, RequestError
from domain.request import RecommendRequest, SentValue
from engine.recommend import Engine
from engine.sample_request import NEUTRAL_TIME_S

TOLERANCE = 1e-4  # what a trainer may differ by
FLOAT32_TOLERANCE = 1e-5  # of the score itself: large scores cannot come out closer when sums are made in another order
CONTEXT_PREFIX = "context."


@dataclass(frozen=True, slots=True)
class Worst:
    """The pair that is furthest from what the trainer got. difference: beyond what float32 explains."""

    difference: float
    row: int
    expected: float
    served: float


@dataclass(frozen=True, slots=True)
class ExpectedScores:
    """n pairs: who, what, the score that the trainer got and the one that is served, float64 [n] both."""

    user_ids: list[str]
    creator_ids: list[str]
    expected: AnyArray
    served: AnyArray


def score_expected(path: Path, engine: Engine) -> ExpectedScores:
    """Score every (user, creator, context) row of the file as a request would. Raises as `check_expected` does, but for the difference."""
    table = _read(path)
    ids = table.column("creator_id").to_pylist()
    served = np.empty(len(ids))
    for request, places in _by_request(path, table):
        rows = _rows(path, engine, [ids[p] for p in places], places)
        served[places] = _score(path, engine, request, rows, places[0])
    expected = np.asarray(table.column("score").to_numpy(zero_copy_only=False), np.float64)
    return ExpectedScores(table.column("user_id").to_pylist(), ids, expected, served)


def check_expected(path: Path, engine: Engine) -> int:
    """Score every (user, creator, context) row of the file and compare. Returns how many rows were compared.

    Columns: user_id, creator_id, score, and any `context.<name>`. Raises ArtifactError(QUALITY_GATE) with the worst pair above the tolerance,
    ArtifactError(INPUT_INVALID) for a file that cannot be used, InputNotFound.
    """
    scores = score_expected(path, engine)
    worst = _furthest(scores.served, scores.expected)
    if not worst.difference <= TOLERANCE:
        pair = f'user "{scores.user_ids[worst.row]}", creator "{scores.creator_ids[worst.row]}" (row {worst.row})'
        text = (
            f"the served ranker gives {worst.served:.6g} where the trainer got {worst.expected:.6g} for {pair}; "
            "check the order of columns in the binding, the defaults, and that the features are the ones of training"
        )
        raise ArtifactError(path, ArtifactReason.QUALITY_GATE, text)
    return len(scores.served)


def _furthest(served: AnyArray, expected: AnyArray) -> Worst:
    differences = np.abs(served - expected) - FLOAT32_TOLERANCE * np.abs(expected)
    differences = np.where(np.isnan(differences), np.inf, differences)
    at = int(np.argmax(differences))
    return Worst(float(differences[at]), at, float(expected[at]), float(served[at]))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputNotFound(path, "is no file; name an existing parquet file with --expected")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise _invalid(path, f"is no parquet file: {problem}") from problem
    for name in ("user_id", "creator_id", "score"):
        if name not in table.column_names:
            raise _invalid(path, f'column "{name}" is missing; the file has: {", ".join(table.column_names):.1000}; add it, or drop --expected')
        if table.column(name).null_count:
            raise _invalid(path, f'column "{name}" holds nulls; every row needs a value')
    strange = [n for n in table.column_names if n not in {"user_id", "creator_id", "score"} and not n.startswith(CONTEXT_PREFIX)]
    if strange:
        raise _invalid(path, f'column "{strange[0]}" is none of user_id, creator_id, score, {CONTEXT_PREFIX}*; rename or drop it')
    if table.num_rows == 0:
        raise _invalid(path, "holds no rows; give some scored pairs or drop --expected")
    return table


def _by_request(path: Path, table: Any) -> Iterator[tuple[RecommendRequest, list[int]]]:
    """Rows of one user in one context are scored in one call."""
    names = [name for name in table.column_names if name.startswith(CONTEXT_PREFIX)]
    groups: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    keys = zip(table.column("user_id").to_pylist(), *(table.column(name).to_pylist() for name in names), strict=True)
    for place, key in enumerate(keys):
        groups[tuple(tuple(part) if isinstance(part, list) else part for part in key)].append(place)
    for (user_id, *values), places in groups.items():
        context = {name.removeprefix(CONTEXT_PREFIX): value for name, value in zip(names, values, strict=True) if value is not None}
        as_of_time_s = context.pop("as_of_time", NEUTRAL_TIME_S)
        if hasattr(as_of_time_s, "timestamp"):
            as_of_time_s = int(as_of_time_s.timestamp())
        sent = {name: _sent(path, name, value) for name, value in context.items()}
        yield RecommendRequest(request_id="expected", user_id=user_id, context_features=sent, as_of_time_s=as_of_time_s), places


def _sent(path: Path, name: str, value: Any) -> SentValue:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float | int | str):
        return value
    if isinstance(value, tuple):
        if all(isinstance(part, str) for part in value):
            return value
        return np.array(value, np.int64) if all(isinstance(part, int) for part in value) else np.array(value, np.float32)
    raise _invalid(path, f'column "{CONTEXT_PREFIX}{name}" holds {type(value).__name__}; numbers, strings and lists of them can be sent')


def _rows(path: Path, engine: Engine, creator_ids: list[str], places: list[int]) -> RowArray:
    rows = engine.creators.rows_of(creator_ids)
    if len(rows) != len(creator_ids):
        place = next(p for p, i in zip(places, creator_ids, strict=True) if not len(engine.creators.rows_of([i])))
        unknown = creator_ids[places.index(place)]
        raise _invalid(path, f'column "creator_id", row {place}: "{unknown}" is not among the creators')
    return rows


def _score(path: Path, engine: Engine, request: RecommendRequest, rows: RowArray, place: int) -> FloatArray:
    way = engine.ways["default"]
    never = Deadline.never(engine.clock)
    try:
        user = way.look_up.look_up(request, never)
        candidates = Candidates.of(rows, _similarities(engine, user.embedding, rows), Source.EXACT)
        return way.rank.ranker.rank(user, candidates, len(rows), way.profile.objective, never).scores
    except RequestError as problem:
        raise _invalid(path, f"row {place}: {problem}") from problem


def _similarities(engine: Engine, query: FloatArray, rows: RowArray) -> FloatArray:
    products: FloatArray = engine.creators.embeddings[rows] @ query
    if engine.bundle.manifest.space == "cosine":
        products = products / (engine.creators.norms[rows] * np.float32(np.linalg.norm(query)))
    return products


def _invalid(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.INPUT_INVALID, text)
