"""The id that makes several attempts one call."""

from __future__ import annotations

import uuid

from earshot.v1.recommendation_service_pb2 import RecommendCreatorsRequest


def identified(request: RecommendCreatorsRequest) -> RecommendCreatorsRequest:
    """The request, or a copy with a new id when it has none: all attempts of a call carry one id and get the same slate."""
    if request.request_id:
        return request
    copy = RecommendCreatorsRequest()
    copy.CopyFrom(request)
    copy.request_id = uuid.uuid4().hex
    return copy
