"""Whether the request threads still finish their work."""

from __future__ import annotations

import threading

from domain.deadline import Clock

STUCK_S = 5.0  # far above any deadline that makes sense here: such a thread hangs in native code


class Pulse:
    """Knows since when each request thread has been busy. Safe from any thread; each request thread calls begin and end around its work."""

    def __init__(self, thread_count: int, clock: Clock) -> None:
        self._thread_count = thread_count
        self._clock = clock
        self._busy_since_s: dict[int, float] = {}

    def begin(self, now_s: float) -> None:
        """The calling thread starts a request."""
        self._busy_since_s[threading.get_ident()] = now_s

    def end(self) -> None:
        """The calling thread has finished it."""
        self._busy_since_s.pop(threading.get_ident(), None)

    def idle(self) -> bool:
        """Whether no request thread is busy."""
        return not self._busy_since_s

    def stuck(self) -> bool:
        """Whether every request thread has been busy with one request for longer than STUCK_S."""
        starts = list(self._busy_since_s.values())
        return len(starts) >= self._thread_count and self._clock() - max(starts) > STUCK_S
