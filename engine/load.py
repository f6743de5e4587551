"""How many requests one engine works on right now."""

from __future__ import annotations

import threading


class Load:
    """A context manager around each request. Thread-safe. count: how many are inside, the reader's own included."""

    __slots__ = ("_lock", "count")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def __enter__(self) -> None:
        with self._lock:
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.count -= 1
