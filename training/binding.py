"""How the served ranker's inputs are fed and its outputs weighed: goes into the model's metadata, and as text beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from training.columns import HISTORY_LENGTH, CategoryColumn, Columns, NumberColumn
from training.graph import OUTPUTS, column_inputs

CREATOR = ("creator.taste", "creator.neighbours", "creator.tags", "creator.listeners", "creator.tag_count", "retrieval.similarity")
USER = ("user.taste", "user.neighbours", "user.tags", "user.friends", "user.history_length")
"""What training itself has learned and counted. A request need not know any of it: then it is as of a user who has never listened."""


def binding(columns: Columns, objective: Mapping[str, float]) -> dict[str, Any]:
    """For a ranker that reads these columns. objective: weights of OUTPUTS."""
    vectors = ["creator.embedding"] if columns.history else []
    everything = {
        "candidates": {"per": "candidate", "columns": [*CREATOR, *_reads(columns.creator.numbers), *vectors]},
        "user": {"per": "request", "columns": [*USER, *_reads(columns.request_numbers)]},
        "creator_codes": {"per": "candidate", "columns": [column.full for column in columns.creator.categories]},
        "user_codes": {"per": "request", "columns": [column.full for column in columns.request_categories]},
        "history": {"per": "request", "columns": ["user.history.creator.embedding"], "length": HISTORY_LENGTH},
        "history_mask": {"per": "request", "columns": ["user.history.mask"], "length": HISTORY_LENGTH},
    }
    bound = {
        "version": 1,
        "objective": {head: objective[head] for head in OUTPUTS},
        "inputs": {name: everything[name] for name in ("candidates", "user", *column_inputs(columns))},
    }
    vocabularies = {column.full: _vocabulary(column) for column in (*columns.creator.categories, *columns.request_categories)}
    learned: dict[str, Any] = dict.fromkeys(USER, 0.0) | ({"user.history": []} if columns.history else {})
    return bound | ({"vocabularies": vocabularies} if vocabularies else {}) | {"defaults": learned | dict(columns.defaults)}


def _reads(columns: Iterable[NumberColumn]) -> list[str]:
    return [name for column in columns for name in column.reads]


def _vocabulary(column: CategoryColumn) -> dict[str, Any]:
    return {"values": list(column.values), "first": 1, "unknown": 0}
