"""A trial as it is kept: what the lines of a proof need to know of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.promise.parts import Parts
from bench.promise.report import point_of_json
from bench.promise.rig import Seen
from loadtest.open_loop.point import Point
from loadtest.open_loop.trial import CANCELED, OK


@dataclass(frozen=True, slots=True)
class Outcome:
    """cpu_s: of the server while it was measured; nan when unknown. The counts are of the measured calls."""

    point: Point
    duration_s: float
    cpu_s: float
    count: int
    ok_count: int
    canceled_count: int

    def cost_s(self, idle_cores: float, call_count: int) -> float:
        """CPU seconds of the server per call of `call_count`, less what it uses when nobody asks; nan of no calls."""
        return (self.cpu_s - idle_cores * self.duration_s) / call_count if call_count else math.nan


def outcome_of(seen: Seen) -> Outcome:
    """What is kept of a trial."""
    calls = seen.measured.samples.measured(seen.trial.warm_up_s)
    counts = (calls.count, calls.outcome.count(OK), calls.outcome.count(CANCELED))
    return Outcome(seen.point, seen.trial.duration_s, seen.cpu_s, *counts)


def outcome_of_json(values: dict[str, Any]) -> Outcome:
    """What `asdict` made of an Outcome."""
    return Outcome(**{**values, "point": point_of_json(values["point"])})


def once(parts: Parts, name: str, measure: Callable[[], Seen]) -> Outcome:
    """The outcome of that name; measured and kept where it is not there."""
    return outcome_of_json(parts.once(name, lambda: asdict(outcome_of(measure()))))


def known(parts: Parts, name: str) -> Outcome | None:
    """The outcome of that name, where it was measured."""
    return outcome_of_json(parts.get(name)) if name in parts else None
