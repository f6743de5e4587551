"""What workers need and may be loaded before the fork: it costs them neither time nor memory of their own. Nothing here imports gRPC."""

from __future__ import annotations

from server.rpc import decode, encode
from server.telemetry import access_log, board, logs, meter

__all__ = ["access_log", "board", "decode", "encode", "logs", "meter"]
