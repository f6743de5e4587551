"""Fault injection for drills: the ranker of a running worker made slower, with real work.

Nothing of it is on the way of a request unless a drill file is set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from domain.candidates import Candidates, Ranked
from domain.columns import InputSchema
from domain.deadline import Deadline
from domain.request import User
from domain.stages import Ranker

MOST_TIMES = 1_000

Announce = Callable[[str], None]
"""Told in one sentence when a drill begins, changes, ends, or cannot be read."""


class Drill:
    """What a drill file asks for: `slow_ranker = 10` makes every call of the ranker run ten times. No file: no drill.

    `read` is called now and then by one thread; `slow_ranker` may be read by any.
    """

    def __init__(self, file: Path, announce: Announce) -> None:
        self.slow_ranker = 1
        self._file, self._announce = file, announce
        self._said = ""

    def read(self) -> None:
        """Look at the file again. One that cannot be understood ends the drill."""
        try:
            times, problem = _times(tomllib.loads(self._file.read_text("utf-8"))), ""
        except FileNotFoundError:
            times, problem = 1, ""
        except (OSError, ValueError) as failure:
            times, problem = 1, f"the drill file {self._file} cannot be used: {failure}"
        self.slow_ranker = times
        said = problem or ("" if times == 1 else f"DRILL: every ranker call runs {times} times, as {self._file} asks")
        if said != self._said:
            self._said = said
            self._announce(said or "the drill is over: rankers run at their own speed")


def _times(asked: Mapping[str, object]) -> int:
    unknown = sorted(set(asked) - {"slow_ranker"})
    if unknown:
        raise ValueError(f'"{unknown[0]}" is no drill; there is slow_ranker')
    times = asked.get("slow_ranker", 1)
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MOST_TIMES:
        raise ValueError(f"slow_ranker is {times!r:.80}; it must be a whole number from 1 to {MOST_TIMES}")
    return times


class DrilledRanker:
    """A `domain.stages.Ranker` that runs another one as often as the drill says, so that the time is truly spent."""

    def __init__(self, ranker: Ranker, drill: Drill) -> None:
        self._ranker, self._drill = ranker, drill

    @property
    def schema(self) -> InputSchema:
        """Of the ranker."""
        return self._ranker.schema

    def rank(self, user: User, candidates: Candidates, top_count: int, objective: Mapping[str, float], deadline: Deadline) -> Ranked:
        """As in `domain.stages.Ranker`."""
        for _ in range(self._drill.slow_ranker - 1):
            self._ranker.rank(user, candidates, top_count, objective, deadline)
        return self._ranker.rank(user, candidates, top_count, objective, deadline)
