"""expected.parquet: pairs in their occasions, with the scores that the network gave. A build proves that it serves the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.features import Categories, Features, Numbers
from training.column_inputs import Moment
from training.occasions import Histories, untold
from training.pipeline import Trained

USERS, CREATORS = 40, 25  # 1,000 pairs: every table, near and far
STRANGERS = 2  # of the users have no listens, where there are such
SILENT = 4  # every fourth question says nothing of its occasion


@dataclass(frozen=True)
class Question:
    """creators: int64 [n]. context: by name what is sent, None for what is not."""

    user: int
    creators: RowArray
    moment: Moment
    context: Mapping[str, float | str | None]


def expected_questions(trained: Trained, seed: int) -> list[Question]:
    """Some users, each with creators near and far, those without a listener among them, on occasions of the data."""
    random = np.random.default_rng([seed, 7])
    space, histories = trained.towers.space, Histories(trained.known.listens)
    questions = []
    for place, user in enumerate(_users(trained, random)):
        near = np.argsort(-(space.creators @ space.users[user]), kind="stable")[:CREATORS]
        far = random.choice(len(space.creators), min(CREATORS, len(space.creators)), replace=False)
        creators = np.unique(np.concatenate([near[::2], far[::2]]))
        numbers, codes, context = _occasion(trained, None if place % SILENT == 0 else random)
        moment = Moment(numbers, codes, histories.before(np.array([user]), None)[0])
        questions.append(Question(user, creators, moment, context))
    return questions


def write_expected(path: Path, trained: Trained, questions: list[Question], scores: list[FloatArray]) -> None:
    """scores: float32 [n] per question."""
    listens = trained.known.listens
    counts = [len(question.creators) for question in questions]
    columns: dict[str, Any] = {
        "user_id": pa.array(np.repeat([listens.user_ids[q.user] for q in questions], counts), pa.string()),
        "creator_id": pa.array([listens.creator_ids[c] for q in questions for c in q.creators.tolist()], pa.string()),
    }
    for name, column in _context(trained).items():
        told = [question.context[name] for question, count in zip(questions, counts, strict=True) for _ in range(count)]
        columns[f"context.{name}"] = pa.array(told, pa.float32() if isinstance(column, Numbers) else pa.string())
    pq.write_table(pa.table(columns | {"score": pa.array(np.concatenate(scores), pa.float32())}), path)


def _users(trained: Trained, random: np.random.Generator) -> list[int]:
    lengths = trained.known.history_length
    strangers, others = np.flatnonzero(lengths == 0)[:STRANGERS], np.flatnonzero(lengths > 0)
    chosen: AnyArray = random.choice(others, min(USERS, len(others)), replace=False)
    return [*chosen.tolist(), *strangers.tolist()]


def _context(trained: Trained) -> Features:
    """The columns of occasions that the ranker reads."""
    plays = trained.known.listens.plays
    return {} if plays is None else {name: plays.context[name] for name in trained.columns.context.names}


def _occasion(trained: Trained, random: np.random.Generator | None) -> tuple[FloatArray, RowArray, dict[str, float | str | None]]:
    """(numbers, codes, what is sent) of the occasion of some row; without `random` nothing is said of it."""
    context, columns, plays = _context(trained), trained.columns.context, trained.known.listens.plays
    if random is None or not context or plays is None:
        return *untold(trained.columns, 1), dict.fromkeys(context)
    row = random.integers(0, len(plays), 1)
    at_row = {name: column.at(row) for name, column in context.items()}
    return columns.numbers_of(at_row, 1), columns.codes_of(at_row, 1), {name: _said(column) for name, column in at_row.items()}


def _said(column: Numbers | Categories) -> float | str | None:
    if isinstance(column, Categories):
        return column.values[int(column.codes[0]) - 1] if column.codes[0] else None
    return None if np.isnan(column.values[0, 0]) else float(column.values[0, 0])
