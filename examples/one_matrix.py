"""What the recipes share whose model takes one matrix: its columns, the rows to train on, and a binding that travels inside the model."""

from __future__ import annotations

import json

import numpy as np
from onnx import ModelProto

from listening import GENRES, Listening

COLUMNS = (
    "user.embedding",
    "user.age_days",
    "creator.embedding",
    "creator.followers",
    "creator.genre",
    "context.hour",
    "retrieval.similarity",
)


def feature_rows(data: Listening, users: np.ndarray, creators: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """float32 [pairs, 37], the values of COLUMNS side by side in that order; NaN where the age is not known."""
    genre = [GENRES.index(data.genre[creator]) for creator in creators]
    parts = [
        data.user_embedding[users],
        data.age_or_nan(users),
        data.creator_embedding[creators],
        data.followers[creators],
        genre,
        hours,
        data.similarity(users, creators),
    ]
    return np.column_stack(parts).astype(np.float32)


def put_binding(model: ModelProto, input_name: str, output: str, unknown_age: float) -> None:
    """Write the binding into the model's own metadata, as JSON: one file says all, and `earshot build` needs no --binding.

    unknown_age: what training took for an age that is not known; NaN for a model that knows missing values.
    """
    binding = {
        "version": 1,
        "output": output,
        "inputs": {input_name: {"per": "candidate", "columns": COLUMNS}},
        "vocabularies": {"creator.genre": {"values": GENRES, "first": 0, "unknown": -1}},
        "defaults": {"user.age_days": unknown_age, "context.hour": 12.0},
    }
    model.metadata_props.add(key="earshot.binding", value=json.dumps(binding))
