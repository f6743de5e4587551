"""Requests that any bundle can answer, for warm-up and golden slates: listed users where there are some, otherwise the creators' own embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bundle.open import Bundle
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, FeatureArray, InputSchema, Users, Vocabulary
from domain.request import RecommendRequest, SentValue, User

NEUTRAL_TIME_S = 1_700_000_000  # any fixed instant: golden requests must not depend on the day they run


def sample_requests(bundle: Bundle, schema: InputSchema, count: int) -> Iterator[RecommendRequest]:
    """`count` requests spread evenly over the users (or creators), every second one exact. Deterministic."""
    users = bundle.users.users if bundle.users is not None and len(bundle.users) else None
    population = len(users) if users is not None else len(bundle.creators)
    for number, row in enumerate(np.linspace(0, population - 1, count).astype(np.int64).tolist()):
        yield _listed(users, schema, row, number) if users is not None else _anonymous(bundle, schema, row, number)


def _listed(users: Users, schema: InputSchema, row: int, number: int) -> RecommendRequest:
    return RecommendRequest(
        request_id=f"golden-{number}",
        user_id=users.ids[row].decode(),
        user_features=_neutral({n: s for n, s in schema.user.items() if n not in users.columns}, schema.vocabularies, "user"),
        context_features=_neutral(schema.context, schema.vocabularies, "context"),
        exact=number % 2 == 0,
        as_of_time_s=NEUTRAL_TIME_S,
    )


def _anonymous(bundle: Bundle, schema: InputSchema, row: int, number: int) -> RecommendRequest:
    return RecommendRequest(
        request_id=f"golden-{number}",
        embeddings={"": np.array(bundle.creators.embeddings[row])},
        user_features=_neutral(schema.user, schema.vocabularies, "user"),
        context_features=_neutral(schema.context, schema.vocabularies, "context"),
        exact=number % 2 == 0,
        as_of_time_s=NEUTRAL_TIME_S,
    )


def sample_user(bundle: Bundle, schema: InputSchema) -> User:
    """A user with a neutral value for every feature the ranker may read, to run the ranker before any request came."""
    user = {name: _neutral_array(spec) for name, spec in schema.user.items()}
    context = {name: _neutral_array(spec) for name, spec in schema.context.items()}
    context["as_of_time"] = np.int64(NEUTRAL_TIME_S)
    return User("", np.array(bundle.creators.embeddings[0]), user, context)


def _neutral_array(spec: ColumnSpec) -> FeatureArray:
    dtype = np.dtype(spec.dtype)
    if spec.kind is ColumnKind.SCALAR:
        zero: np.generic = dtype.type(0)
        return zero
    return np.zeros(spec.width, dtype)


def _neutral(specs: Mapping[str, ColumnSpec], vocabularies: Mapping[str, Vocabulary], side: str) -> dict[str, SentValue]:
    return {name: _neutral_value(spec, vocabularies.get(f"{side}.{name}")) for name, spec in specs.items() if name != "as_of_time"}


def _neutral_value(spec: ColumnSpec, vocabulary: Vocabulary | None) -> SentValue:
    if spec.meaning in {ColumnMeaning.CATEGORY, ColumnMeaning.CREATOR}:
        text = vocabulary.values[0] if vocabulary is not None and vocabulary.values else ""
        return (text,) if spec.kind is ColumnKind.SEQUENCE else text
    whole = np.dtype(spec.dtype).kind in "iub"
    if spec.kind is ColumnKind.SCALAR:
        return 0 if whole else 0.0
    return np.zeros(spec.width, np.int64) if whole else np.zeros(spec.width, np.float32)
