"""Logs stages that failed while another rung took their place."""

from __future__ import annotations

import logging

from domain.deadline import Clock
from domain.slate import Stage
from server.telemetry.logs import LOGGER

INTERVAL_S = 1.0  # a ranker that fails on every request must not fill the disk; the metrics have the count


class RungLog:
    """Called with each failure; writes at most one a second. Safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_s = 0.0
        self._left_out = 0

    def __call__(self, stage: Stage, failure: Exception) -> None:
        """Note one failure."""
        now_s = self._clock()
        if now_s < self._next_s:
            self._left_out += 1
            return
        self._next_s = now_s + INTERVAL_S
        fields = {"stage": stage.name.lower(), "left_out": self._left_out}
        self._left_out = 0
        LOGGER.log(logging.WARNING, "a stage failed; a lesser rung answers", exc_info=failure, extra={"fields": fields})
