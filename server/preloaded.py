"""What workers need and may be loaded before the fork: it costs them neither time nor memory of their own, and a replacement is there sooner.

Nothing here imports gRPC; asyncio is what gRPC imports most of.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import secrets

from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from server.rpc import decode, encode, pulse
from server.telemetry import access_log, board, logs, meter

MODULES = (
    asyncio,
    concurrent.futures.thread,
    secrets,
    error_details_pb2,
    status_pb2,
    health_pb2,
    reflection_pb2,
    decode,
    encode,
    pulse,
    access_log,
    board,
    logs,
    meter,
)
