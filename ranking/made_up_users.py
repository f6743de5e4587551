"""Users to try a ranker with before any request came: typical ones, and sampled ones with what is stored of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from domain.arrays import AnyArray, RowArray
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Creators, FeatureArray, RowFeatures, Users
from domain.request import User
from ranking.bound import Binding
from ranking.plan import RankerDescription

AS_OF_TIME_S = 1_700_000_000
LIST_LENGTH = 3  # entries of made-up sequences


@dataclass(frozen=True)
class MadeUpUsers:
    """Makes users for one ranker."""

    description: RankerDescription
    binding: Binding
    creators: Creators

    @property
    def widths(self) -> Mapping[str, int]:
        """Widths of the users' and the request's columns, by full name."""
        return {f"{side}.{s.name}": s.width for side, specs in self._specs().items() for s in specs}

    def typical(self, rows: RowArray, absent: bool) -> User:
        """Someone whose every value is moderate. absent: leave out what has a default."""
        features, context = (
            {s.name: self._typical(f"{side}.{s.name}", s, rows) for s in specs if not (absent and f"{side}.{s.name}" in self.binding.defaults)}
            for side, specs in self._specs().items()
        )
        context["as_of_time"] = np.int64(AS_OF_TIME_S)
        return User("", np.array(self.creators.embeddings[rows[0]]), features, context)

    def sampled(self, users: Users | None, count: int, rng: np.random.Generator) -> Iterator[User]:
        """`count` listed users with what is stored of them, or creators' embeddings where nobody is listed; what only requests bring is random."""
        for _ in range(count):
            features = {s.name: self._random(f"user.{s.name}", s, rng) for s in self.description.user}
            context = {s.name: self._random(f"context.{s.name}", s, rng) for s in self.description.context}
            context["as_of_time"] = np.int64(AS_OF_TIME_S + int(rng.integers(0, 10**7)))
            if users is None or not len(users):
                yield User("", np.array(self.creators.embeddings[rng.integers(len(self.creators))]), features, context)
                continue
            row = int(rng.integers(len(users)))
            stored = RowFeatures(users.columns, row)
            known = {name: stored.get(name, value) for name, value in features.items() if name in stored or name not in users.columns}
            yield User("", np.array(users.embeddings[row]), known, context)

    def _specs(self) -> Mapping[str, tuple[ColumnSpec, ...]]:
        return {"user": self.description.user, "context": self.description.context}

    def _typical(self, full: str, spec: ColumnSpec, rows: RowArray) -> FeatureArray:
        dtype = np.dtype(spec.dtype)
        vocabulary = self.binding.vocabularies.get(full)
        number = 0 if dtype.kind in "iub" else 0.5
        one: np.generic = dtype.type(vocabulary.first if vocabulary else AS_OF_TIME_S if spec.meaning is ColumnMeaning.TIME else number)
        if spec.kind is ColumnKind.SCALAR:
            return one
        if spec.meaning is ColumnMeaning.CREATOR:
            return np.array(rows[:LIST_LENGTH])
        return np.full(LIST_LENGTH if spec.kind is ColumnKind.SEQUENCE else spec.width, one)

    def _random(self, full: str, spec: ColumnSpec, rng: np.random.Generator) -> FeatureArray:
        count = int(rng.integers(1, 2 * LIST_LENGTH)) if spec.kind is ColumnKind.SEQUENCE else spec.width
        values = self._random_values(full, spec, count, rng).astype(spec.dtype)
        if spec.kind is ColumnKind.SCALAR:
            scalar: np.generic = values[0]
            return scalar
        return values

    def _random_values(self, full: str, spec: ColumnSpec, count: int, rng: np.random.Generator) -> AnyArray:
        vocabulary = self.binding.vocabularies.get(full)
        if vocabulary is not None:
            return vocabulary.first + rng.integers(0, len(vocabulary.values), count)
        if spec.meaning is ColumnMeaning.CREATOR:
            return rng.integers(0, len(self.creators), count)
        if spec.meaning is ColumnMeaning.TIME:
            return AS_OF_TIME_S + rng.integers(0, 10**7, count)
        return rng.normal(size=count) if np.dtype(spec.dtype).kind == "f" else np.zeros(count)
