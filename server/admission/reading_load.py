"""What reading, refusing and sending calls takes of the processor: answers can only be planned with the rest."""

from __future__ import annotations

import math

from domain.deadline import Clock

LOOK_S = 0.05  # how often it is looked at: a few system calls
MEMORY_S = 0.25  # a flood is known for what it is in that time; the line tells of the moments before


class ReadingLoad:
    """In cores, of late. used_s: processor seconds that the threads which read and refuse have used so far.

    Beside 2,300 refused calls a second they took two fifths of a core, a third of that in gRPC's own threads: answers planned with the whole core
    stood in a line until interactive calls were refused, too. Any thread may ask: of two that look at the same moment one is forgotten.
    """

    __slots__ = ("_seen", "_used_s")

    def __init__(self, used_s: Clock) -> None:
        self._used_s = used_s
        self._seen = (math.nan, 0.0, 0.0)  # (when, used_s, cores): one tuple, so that nobody sees parts of two

    def cores(self, now_s: float) -> float:
        """Not negative."""
        at_s, before_s, cores = self._seen
        if now_s < at_s + LOOK_S:
            return cores
        used_s = self._used_s()
        if at_s < now_s:  # not the first look
            now = max(0.0, used_s - before_s) / (now_s - at_s)
            cores += (now - cores) * -math.expm1((at_s - now_s) / MEMORY_S)
        self._seen = (now_s, used_s, cores)
        return cores
