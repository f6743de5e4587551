"""Connections: how they are opened, and how many a client has."""

from __future__ import annotations

import grpc
import grpc.aio

from earshot.client.policy import SERVICE_CONFIG

_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),  # a second by default; a worker that died is replaced sooner
    ("grpc.max_reconnect_backoff_ms", 2000),
]


def options(service_config: str, *, own_connection: bool) -> list[tuple[str, str | int]]:
    """Those of our channels. service_config: JSON; "{}": only calls that no server has seen are sent again."""
    return [("grpc.service_config", service_config), ("grpc.use_local_subchannel_pool", int(own_connection)), *_RECONNECT]


def open_channel(
    target: str, *, credentials: grpc.ChannelCredentials | None = None, own_connection: bool = False, service_config: str = SERVICE_CONFIG
) -> grpc.Channel:
    """A channel for stubs, on which gRPC itself retries; plaintext without credentials. Connects with the first call. Thread-safe; reuse it.

    own_connection: do not share the connection with other channels to the same target. The server's workers share a port, and a connection stays
    with one of them: several connections reach several workers.
    """
    chosen = options(service_config, own_connection=own_connection)
    return grpc.insecure_channel(target, chosen) if credentials is None else grpc.secure_channel(target, credentials, chosen)


def open_aio_channel(
    target: str, *, credentials: grpc.ChannelCredentials | None = None, own_connection: bool = False, service_config: str = SERVICE_CONFIG
) -> grpc.aio.Channel:
    """The same for asyncio; belongs to the loop that runs now."""
    chosen = options(service_config, own_connection=own_connection)
    return grpc.aio.insecure_channel(target, chosen) if credentials is None else grpc.aio.secure_channel(target, credentials, chosen)


def checked_count(connection_count: int) -> int:
    """The number of connections. Raises ValueError."""
    if connection_count < 1:
        raise ValueError(f"connection_count is {connection_count}; it must be at least 1")
    return connection_count
