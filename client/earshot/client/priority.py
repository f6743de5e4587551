"""What the headers of a call say of its priority, so that a full server can refuse it before it has received the message."""

from __future__ import annotations

from earshot.v1.recommendation_service_pb2 import PRIORITY_BATCH, RecommendCreatorsRequest

BATCH_METADATA = (("earshot-priority", "batch"),)


def metadata_of(request: RecommendCreatorsRequest) -> tuple[tuple[str, str], ...] | None:
    """The metadata of a call; None where there is nothing to say. The request's own field holds."""
    return BATCH_METADATA if request.priority == PRIORITY_BATCH else None
