"""How many calls run at a time in one worker."""

from __future__ import annotations

import math

from domain.deadline import Clock

TOLERANCE = 1.5  # calls may get slower by so much before fewer of them run
SMOOTHING = 0.2
LONG_MEMORY = 600  # samples
LEAST_GRADIENT = 0.5
LOOK_S = 0.1  # how often the use of the processor is read, and the limit moved by it
IDLE, BUSY = 0.7, 0.9  # shares of the processor; between them the limit stays
SHRINK = 0.2  # of the limit, at least one call, while the processor is busy


class RunLimit:
    """The gradient limit of Netflix' concurrency-limits (Gradient2), that grows only while calls wait and the processor does not work.

    More calls at a time than cores make all of them later, and none sooner, as long as the processor is what they need: `least` (the cores) is then
    right. Where they wait for something else, a GPU or a disk, others may run meanwhile. Gradient2 cannot tell the two apart by durations alone: it
    forgets how fast calls were before, and drifts up under lasting load (docs/adr/0012-admission.md).

    wanted_s: processor seconds that the process has used or was ready to use: a core that is taken by others is no reason to run more.
    Safe from any thread: of two samples at the same moment one may be lost.
    """

    def __init__(self, least: int, most: int, wanted_s: Clock, clock: Clock) -> None:
        self.least, self.most = least, max(least, most)
        self._wanted_s, self._clock = wanted_s, clock
        self._limit = float(least)
        self._long_s = 0.0
        self._looked_at_s, self._had_wanted_s = -math.inf, 0.0
        self._waited = False  # whether somebody did, whenever a call was over since the last look

    @property
    def calls(self) -> int:
        """So many may run now."""
        return int(self._limit)

    def note(self, duration_s: float, running: int, waiting: int) -> None:
        """A call is over after `duration_s`; `running` ran then, this one included, and `waiting` waited."""
        self._long_s += (duration_s - self._long_s) / LONG_MEMORY if self._long_s else duration_s
        if self._long_s > 2.0 * duration_s:
            self._long_s *= 0.95  # as Gradient2 does: come down soon after a slow time
        if running >= self._limit / 2:
            gradient = max(LEAST_GRADIENT, min(1.0, TOLERANCE * self._long_s / max(duration_s, 1e-9)))
            self._move(self._limit * SMOOTHING * (gradient - 1.0) + self._step(waiting))

    def _move(self, by: float) -> None:
        self._limit = min(float(self.most), max(float(self.least), self._limit + by))

    def _step(self, waiting: int) -> float:
        """Where the use of the processor since the last look moves the limit to. Where it could not move, nobody looks."""
        if not waiting and self._limit <= self.least:
            self._waited = False
            return 0.0
        now_s = self._clock()
        passed_s = now_s - self._looked_at_s
        if passed_s < LOOK_S:
            return 0.0
        wanted_s = self._wanted_s()
        use = (wanted_s - self._had_wanted_s) / (passed_s * self.least)
        self._looked_at_s, self._had_wanted_s = now_s, wanted_s
        waited, self._waited = self._waited, True
        if not waited:  # of the time since the last look this says nothing
            return 0.0
        if use > BUSY:
            return -max(1.0, SHRINK * self._limit)
        return 1.0 if waiting and use < IDLE else 0.0
