"""The first stage: who asks? A listed id, an embedding in the request, or both; what is sent wins."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.columns import FeatureArray, Features
from domain.deadline import Deadline
from domain.errors import EmbeddingSpaceMismatch, FieldViolation, InvalidRequest, UnknownUser
from domain.request import RecommendRequest, User
from domain.stages import UserSource
from engine.sent_features import SentFeatures

# Outside these norms float32 dot products lose their meaning, and one vector can become the neighbour of everybody.
MIN_NORM, MAX_NORM = 1e-6, 1e4


@dataclass(frozen=True, slots=True)
class UserLookUp:
    """Finds the user of a request. Thread-safe.

    users: the bundle's listed users, or None. space: the bundle's embedding space; dimension_count: its length.
    """

    users: UserSource | None
    space: str
    dimension_count: int
    user_features: SentFeatures
    context_features: SentFeatures
    _no_rows: RowArray = field(default_factory=lambda: np.empty(0, np.int64), repr=False)

    def look_up(self, request: RecommendRequest, deadline: Deadline) -> User:
        """The user with everything the later stages read. Raises UnknownUser, EmbeddingSpaceMismatch, InvalidRequest."""
        listed = self.users.look_up(request.user_id, deadline) if self.users is not None and request.user_id else None
        sent = self._sent_embedding(request)
        if sent is None and listed is None:
            raise _unknown(request.user_id)
        context: dict[str, FeatureArray] = self.context_features.read(request.context_features) if request.context_features else {}
        context["as_of_time"] = np.int64(request.as_of_time_s)
        features: Features = self.user_features.read(request.user_features) if request.user_features else {}
        if listed is None:
            assert sent is not None
            return User(request.user_id, sent, features, context, self._no_rows)
        if features:
            features = ChainMap(dict(features), listed.features)  # type: ignore[arg-type]  # ChainMap never writes to its later maps
        return User(request.user_id, listed.embedding if sent is None else sent, features or listed.features, context, listed.followed)

    def _sent_embedding(self, request: RecommendRequest) -> FloatArray | None:
        if not request.embeddings:
            return None
        embedding = request.embeddings.get(self.space)
        if embedding is None:
            embedding = request.embeddings.get("")
        if embedding is None:
            sent = ", ".join(sorted(request.embeddings))
            raise EmbeddingSpaceMismatch(
                f"the bundle's embeddings are in space \"{self.space}\", the request's in: {sent}; send one of the bundle's space",
                {"bundle_space": self.space, "request_spaces": sent},
            )
        self._check(embedding)
        return embedding

    def _check(self, embedding: FloatArray) -> None:
        if len(embedding) != self.dimension_count:
            raise _bad_embedding(f"has {len(embedding)} values, the bundle's space has {self.dimension_count}")
        norm = float(np.sqrt(np.dot(embedding, embedding)))
        if not MIN_NORM <= norm <= MAX_NORM:
            raise _bad_embedding(f"has the norm {norm:g}, which must be between {MIN_NORM:g} and {MAX_NORM:g}")


def _bad_embedding(description: str) -> InvalidRequest:
    return InvalidRequest(FieldViolation("user.embeddings", description))


def _unknown(user_id: str) -> UnknownUser:
    return UnknownUser(f'user "{user_id}" is not in the bundle and the request brings no embedding; send one', {"user_id": user_id})
