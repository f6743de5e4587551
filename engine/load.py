"""How many requests one engine works on right now."""

from __future__ import annotations

import threading


class Load:
    """A context manager around each request. Thread-safe. count: how many are inside, the reader's own included; entered: how many ever were."""

    __slots__ = ("_lock", "count", "entered")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = self.entered = 0

    def __enter__(self) -> None:
        with self._lock:
            self.count += 1
            self.entered += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.count -= 1
