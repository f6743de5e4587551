"""How many requests one engine works on right now, and how often their callers leave before the answer."""

from __future__ import annotations

import threading

MEMORY = 50  # requests: three that are left in a row are noticed (engine/plan.py), one is not


class Load:
    """A context manager around each request. Thread-safe. count: how many are inside, the reader's own included; entered: how many ever were.

    left_share: of the last MEMORY requests or so, how many had nobody to answer any more when they were over.
    """

    __slots__ = ("_lock", "count", "entered", "left_share")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = self.entered = 0
        self.left_share = 0.0

    def over(self, left: bool) -> None:
        """A request is over; left: its caller has gone. From any thread: of two at the same moment one may be lost."""
        self.left_share += (left - self.left_share) / MEMORY

    def __enter__(self) -> None:
        with self._lock:
            self.count += 1
            self.entered += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.count -= 1
