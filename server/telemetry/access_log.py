"""One line per request, up to a rate; the rest is counted in the next line."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from domain.deadline import Clock
from domain.slate import Recommended
from server.telemetry.logs import log, utc

FLUSH_INTERVAL_S = 0.5  # lines come late by that much; a flush is short enough not to hold up a request


@dataclass(slots=True)
class Call:
    """What is known of one call so far. Belongs to the thread that answers it, and to the log once it is finished."""

    arrived_s: float
    request_id: str = ""
    user_id: str = ""
    answer: Recommended | None = None
    code: int = 2  # UNKNOWN, which no call should end with
    code_name: str = "UNKNOWN"
    reason: str = ""
    finished_s: float = 0.0


class AccessLog:
    """A token bucket in front of the log. Safe from any thread.

    Request threads only leave the finished call; `flush`, on a thread of its own, writes the lines: a write that releases the interpreter
    among busy request threads costs each of them more than the line itself.

    user_hash_key: user ids are written as a keyed hash only, so that lines of one user can be found by who has the key, and ids by nobody.
    """

    def __init__(self, lines_per_s: float, user_hash_key: bytes, clock: Clock) -> None:
        self._rate = lines_per_s
        self._key = user_hash_key
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._tokens = float(lines_per_s)
        self._filled_s = clock()
        self._suppressed = 0
        self._waiting: deque[tuple[Call, int]] = deque()

    def write(self, call: Call) -> bool:
        """Have the line of a finished call written soon; False when the rate is used up and it was counted instead."""
        now_s = call.finished_s
        with self._lock:
            self._tokens = min(self._rate, self._tokens + max(0.0, now_s - self._filled_s) * self._rate)
            self._filled_s = now_s
            if self._tokens < 1.0:
                self._suppressed += 1
                return False
            self._tokens -= 1.0
            suppressed, self._suppressed = self._suppressed, 0
        self._waiting.append((call, suppressed))
        return True

    def flush(self) -> None:
        """Write the lines that wait."""
        offset_s = time.time() - self._clock()
        with self._flushing:
            while self._waiting:
                call, suppressed = self._waiting.popleft()
                log(logging.INFO, "request", **self._fields(call, suppressed, offset_s))

    def keep_flushing(self, stop: threading.Event) -> None:
        """Flush from time to time until `stop` is set, and a last time then."""
        while not stop.wait(FLUSH_INTERVAL_S):
            self.flush()
        self.flush()

    def _fields(self, call: Call, suppressed: int, offset_s: float) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": utc(call.finished_s + offset_s),
            "request_id": call.request_id,
            "code": call.code_name,
            "duration_ms": round((call.finished_s - call.arrived_s) * 1e3, 3),
            "user": self._hash(call.user_id),
        }
        if call.reason:
            fields["reason"] = call.reason
        if call.answer is not None:
            fields.update(_answer_fields(call.answer))
        if suppressed:
            fields["suppressed_lines"] = suppressed
        return fields

    def _hash(self, user_id: str) -> str:
        return hashlib.blake2b(user_id.encode(errors="replace"), key=self._key, digest_size=8).hexdigest() if user_id else ""


def _answer_fields(answer: Recommended) -> dict[str, Any]:
    return {
        "stages_ms": {record.stage.name.lower(): round(record.duration_s * 1e3, 3) for record in answer.records},
        "retrieved": answer.retrieved_count,
        "ranked": answer.ranked_count,
        "served": len(answer.slate),
        "removed": len(answer.removed),
        "profile": answer.profile.name,
        "degradations": [f"{rung.stage.name}:{rung.reason.name}:{rung.served_count}/{rung.wanted_count}" for rung in answer.degradations],
    }
