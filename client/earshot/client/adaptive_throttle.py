"""Refuses calls here that the server would most likely refuse: a refusal costs it work too.

"Client-Side Throttling" in the chapter "Handling Overload" of Site Reliability Engineering (Beyer, Jones, Petoff, Murphy; O'Reilly 2016), changed
in two points. The book lets a server see twice what it accepts. A server that makes its answers smaller under load refuses for a fifth of what it
answers for, and would then spend a quarter of itself on refusals: hence K = 1.2. And the most that is refused has a limit, as in Envoy's admission
control: the book's client remembers an outage by what it refused itself, and comes back exponentially, from nothing, over many windows.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable

SLICE_COUNT = 120  # of the window; what is older leaves it one slice at a time


class AdaptiveThrottle:
    """Refuses with probability max(0, (requests - k * accepts) / (requests + 1)), of the last `window_s` seconds, and `most` at most. Safe from any
    thread.

    requests: those refused here, and those that have ended. One that still runs is neither accepted nor refused: were it counted, a burst of first
    calls would refuse itself. accepts: those of them that the server did not refuse.
    k: how many requests reach the server for each one that it accepts; a larger one wastes more of its work, and learns sooner that it has recovered.
    most: 1 for the book's; with less, some requests always find out whether the server is back.
    clock: monotonic seconds. draw: uniform in [0, 1). Raises ValueError.
    """

    def __init__(
        self,
        *,
        k: float = 1.2,
        window_s: float = 10.0,
        most: float = 0.9,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not k >= 1 or not window_s > 0 or not 0 <= most <= 1:
            raise ValueError(f"k is {k}, window_s {window_s}, most {most}; wanted are at least 1, more than 0 s, and from 0 to 1")
        self._k, self._slice_s, self._most = k, window_s / SLICE_COUNT, most
        self._clock, self._draw = clock, draw
        self._lock = threading.Lock()
        self._slices: deque[list[int]] = deque()  # [number of the slice, requests, accepts], oldest first
        self._request_count = self._accept_count = 0

    @property
    def probability(self) -> float:
        """With which the next request is refused."""
        with self._lock:
            self._forget(self._number())
            return self._probability()

    def admit(self) -> bool:
        """Whether a request may be sent; then say how it `ended`. False: refuse it, it is counted already."""
        with self._lock:
            self._forget(self._number())
            admitted = self._draw() >= self._probability()
            if not admitted:
                self._count(accepted=False)
            return admitted

    def ended(self, *, accepted: bool) -> None:
        """An admitted request is over. accepted: the server did not refuse it."""
        with self._lock:
            self._count(accepted=accepted)

    def _probability(self) -> float:
        return min(self._most, max(0.0, (self._request_count - self._k * self._accept_count) / (self._request_count + 1)))

    def _number(self) -> int:
        return int(self._clock() / self._slice_s)

    def _count(self, *, accepted: bool) -> None:
        number = self._number()
        self._forget(number)
        if not self._slices or self._slices[-1][0] < number:
            self._slices.append([number, 0, 0])
        self._slices[-1][1] += 1
        self._slices[-1][2] += accepted
        self._request_count += 1
        self._accept_count += accepted

    def _forget(self, number: int) -> None:
        while self._slices and self._slices[0][0] <= number - SLICE_COUNT:
            _, request_count, accept_count = self._slices.popleft()
            self._request_count -= request_count
            self._accept_count -= accept_count
