"""Logs as JSON lines on stderr, the same form in every process of the group."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

_ENCODER = json.JSONEncoder(default=str)
LOGGER = logging.getLogger("earshot")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, process, pid, message, and the fields that came as `extra={"fields": ...}`.

    JSON escapes control characters, so nothing that a caller sends can forge a line.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._pid = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": utc(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": self._pid,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


def set_up_logs(process: str, level: str) -> None:
    """Send everything that this process logs to stderr. Call once per process, in forked ones again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a log that nobody reads any more must not print tracebacks, nor stop anything


def log(level: int, message: str, **fields: Any) -> None:
    """Log a message with fields of its own."""
    LOGGER.log(level, message, extra={"fields": fields})


def utc(seconds: float) -> str:
    """A wall-clock time as logs show it, with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"
