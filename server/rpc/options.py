"""Transport limits of both gRPC servers: safe defaults against accidents and abuse."""

from __future__ import annotations

Option = tuple[str, int]

MESSAGE_BYTES = 1 << 20
METADATA_BYTES = 8192  # soft = hard: between two different limits gRPC refuses at random
USUAL_PENDING_COUNT = 64  # the default of `max_pending_requests`
UNTAKEN_TIMES = 2  # so many: at 0.1 ms each, what the polling thread has not taken is late by 13 ms then


def server_options(share_port: bool, pending_count: int = USUAL_PENDING_COUNT) -> list[Option]:
    """Channel options. share_port: several processes listen on the port, which the control process holds for them. pending_count: of calls that may
    wait for a thread.
    """
    untaken_count = UNTAKEN_TIMES * max(USUAL_PENDING_COUNT, pending_count)  # few may wait, and yet many come at the same moment
    return [
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_concurrent_streams", 100),  # keeps rapid resets from starving everybody else
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", 5_000),  # silent sockets are closed
        ("grpc.max_connection_idle_ms", 300_000),
        ("grpc.max_connection_age_ms", 600_000),  # moves clients to other workers from time to time; gRPC adds a jitter of 10 %
        ("grpc.max_connection_age_grace_ms", 10_000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ("grpc.http2.max_ping_strikes", 2),
        # Calls that the polling thread has not taken yet. Beyond, gRPC itself ends them (CANCELLED, without a word): first some, by chance, then all.
        # It is the last resort: where more come than can be refused, everybody would else be taken when it is too late, and nobody answered in time.
        ("grpc.server.max_pending_requests", untaken_count),
        ("grpc.server.max_pending_requests_hard_limit", 2 * untaken_count),
        ("grpc.server_max_unrequested_time_in_server", 5),  # seconds; work that nobody took for that long is dead
    ]
