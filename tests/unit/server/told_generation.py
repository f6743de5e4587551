"""A generation whose workers' engines do as requests tell them: `python -m tests.unit.server.told_generation`, assigned like the real one.

user_id "hang S": the request keeps its thread for S seconds. In the bundle's place stands a directory: while it holds a file "hang", workers that
start take it away and never come to serve; a file "hang-always" stays.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from server.assignment import Assignment
from server.crew import Crew
from server.rpc import pulse
from server.telemetry.logs import set_up_logs
from tests.unit.server.small_world import ToldEngine, recommended

STUCK_S = 0.5  # instead of five seconds


def act(request, terms):
    word, _, seconds = request.user_id.partition(" ")
    if word == "hang":
        time.sleep(float(seconds))
    return recommended()


class ToldPrepared:
    """Stands for an opened bundle."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def start(self, *_: object) -> ToldEngine:
        with suppress(FileNotFoundError):
            (self._directory / "hang").unlink()
            time.sleep(60)
        if (self._directory / "hang-always").exists():
            time.sleep(60)
        return ToldEngine(act)


if __name__ == "__main__":
    assignment = Assignment.read(sys.stdin.buffer)
    pulse.STUCK_S = STUCK_S
    set_up_logs("generation", "info")
    sys.exit(Crew(ToldPrepared(assignment.bundle), assignment, time.monotonic).run())
