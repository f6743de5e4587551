"""What callers import beside the generated stubs: slates with a deadline, over connections that reach all workers, gentle to a server in trouble.

with RecommendationClient("127.0.0.1:50051") as client:
    response = client.recommend(RecommendCreatorsRequest(user=User(user_id="u1")), timeout_s=0.1)

AsyncRecommendationClient is the same for asyncio. docs/client.md says what is retried, when to hedge, and what it costs.
"""

from __future__ import annotations

from earshot.client.adaptive_throttle import AdaptiveThrottle
from earshot.client.awaiting import AsyncRecommendationClient
from earshot.client.blocking import RecommendationClient
from earshot.client.channels import open_aio_channel, open_channel
from earshot.client.counts import Counts
from earshot.client.errors import DETAILS_KEY, DOMAIN, RefusedLocally, RpcError, error_info_of, explain, reason_of
from earshot.client.policy import NO_RETRIES, SERVICE_CONFIG, CallPolicy, policy_of
from earshot.client.priority import BATCH_METADATA

__all__ = [
    "RecommendationClient",
    "AsyncRecommendationClient",
    "CallPolicy",
    "policy_of",
    "NO_RETRIES",
    "SERVICE_CONFIG",
    "AdaptiveThrottle",
    "Counts",
    "RpcError",
    "RefusedLocally",
    "explain",
    "reason_of",
    "error_info_of",
    "open_channel",
    "open_aio_channel",
    "DOMAIN",
    "DETAILS_KEY",
    "BATCH_METADATA",
]
