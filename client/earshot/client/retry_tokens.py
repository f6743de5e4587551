"""The bucket that keeps attempts from multiplying the load of a server in trouble ("retry throttling" of gRFC A6)."""

from __future__ import annotations

import threading


class RetryTokens:
    """Each failed attempt takes a token, each answered one gives `ratio` of a token back; more attempts are allowed above half. Safe from any thread.

    most: the size of the bucket, full at first; 0: everything is allowed.
    """

    def __init__(self, most: float, ratio: float) -> None:
        self._most, self._ratio = most, ratio
        self._tokens = most
        self._lock = threading.Lock()

    def allow(self) -> bool:
        """Whether a retry or a hedge may be sent."""
        return not self._most or self._tokens > self._most / 2

    def answered(self) -> None:
        """An attempt succeeded."""
        with self._lock:
            self._tokens = min(self._most, self._tokens + self._ratio)

    def failed(self) -> None:
        """An attempt failed in a way that another one might not."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
