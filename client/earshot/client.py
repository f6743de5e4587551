"""What callers import beside the generated stubs: channels that spread over the server's workers, deadlines, retries, error reasons.

with RecommendationClient("127.0.0.1:50051") as client:
    response = client.recommend(RecommendCreatorsRequest(user=User(user_id="u1")), timeout_s=0.1)
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType

import grpc
from google.rpc import error_details_pb2, status_pb2

from earshot.v1.recommendation_service_pb2 import RecommendCreatorsRequest, RecommendCreatorsResponse
from earshot.v1.recommendation_service_pb2_grpc import RecommendationServiceStub

RpcError = grpc.RpcError  # what a failed call raises, for callers that do not use grpc otherwise

DOMAIN = "earshot"
DETAILS_KEY = "grpc-status-details-bin"

# A slate may be asked for twice without harm. A worker that stops or dies answers UNAVAILABLE, or CANCELLED for a call that it had not taken yet.
# The token bucket keeps retries from multiplying the load of a server that refuses everything.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": "earshot.v1.RecommendationService"}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


def open_channel(target: str, *, credentials: grpc.ChannelCredentials | None = None, own_connection: bool = False) -> grpc.Channel:
    """A channel with retries; plaintext without credentials. Opens its connection with the first call. Thread-safe; reuse it.

    own_connection: do not share the connection with other channels to the same target. The server's workers share a port, and a connection stays
    with one of them: several connections reach several workers.
    """
    options = [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.use_local_subchannel_pool", int(own_connection)),
        ("grpc.initial_reconnect_backoff_ms", 50),  # a second by default; a worker that died is replaced sooner
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]
    if credentials is None:
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, credentials, options)


class RecommendationClient:
    """Asks for slates over several connections in turn. Thread-safe.

    connection_count: at least twice the number of the server's workers spreads the load well.
    """

    def __init__(self, target: str, *, connection_count: int = 8, credentials: grpc.ChannelCredentials | None = None) -> None:
        if connection_count < 1:
            raise ValueError(f"connection_count is {connection_count}; it must be at least 1")
        self._channels = [open_channel(target, credentials=credentials, own_connection=True) for _ in range(connection_count)]
        self._stubs: Iterator[RecommendationServiceStub] = itertools.cycle([RecommendationServiceStub(channel) for channel in self._channels])

    def recommend(self, request: RecommendCreatorsRequest, timeout_s: float) -> RecommendCreatorsResponse:
        """The slate. Raises grpc.RpcError; `reason_of` tells why.

        timeout_s: the deadline of the call; the server makes the best of the time it gets.
        """
        return next(self._stubs).RecommendCreators(request, timeout=timeout_s)

    def close(self) -> None:
        """Close the connections; running calls are canceled."""
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> RecommendationClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def explain(error: grpc.RpcError) -> str:
    """One line for a person: the canonical code, the server's own words, and Earshot's reason where it has one."""
    code, details = (getattr(error, name, lambda: None)() for name in ("code", "details"))
    reason = reason_of(error)
    return f"{code.name if code is not None else 'UNKNOWN'}{f' ({reason})' if reason else ''}: {details or 'no details'}"


def reason_of(error: grpc.RpcError) -> str:
    """The reason of an error by Earshot's own handlers, such as "UNKNOWN_USER"; empty when something else refused the call."""
    info = error_info_of(error)
    return info.reason if info is not None else ""


def error_info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    """What Earshot says about an error, its metadata included; None when something else refused the call."""
    read: Callable[[], Iterable[tuple[str, str | bytes]] | None] = getattr(error, "trailing_metadata", tuple)
    for key, value in read() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN:
                    return info
    return None
