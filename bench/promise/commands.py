"""All commands: what they measure, what they report of it, and for how long unless told otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.promise import cancels, capacity, deadlines, overload, overload_report, priorities, rapid_reset, slow_ranker
from bench.promise.parts import Parts
from bench.promise.proof import Proof
from bench.promise.rig import Rig


@dataclass(frozen=True, slots=True)
class Command:
    """measure: fills the parts that are missing; report: says what those show that are there, however many. rankers: () for those that were named.
    words: settings of its servers, before those that were told.

    seconds: of measuring, without the search of C, and without what starting servers takes.
    """

    measure: Callable[[Rig, Parts], None]
    report: Callable[[Rig, Parts], Proof]
    seconds: float
    rankers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


COMMANDS = {
    "capacity": Command(capacity.measure, capacity.report, 60.0),
    "deadlines": Command(deadlines.measure, deadlines.report, 500.0),
    "slow-ranker": Command(slow_ranker.measure, slow_ranker.report, 170.0),
    "overload": Command(overload.measure, overload_report.report, 130.0),
    "overload-light": Command(overload.measure, overload_report.report, 130.0, ("light",)),
    "overload-floored": Command(overload.measure, overload_report.report, 130.0, ("heavy",), overload.FLOORED_WORDS),
    "priorities": Command(priorities.measure, priorities.report, 60.0, words=overload.FLOORED_WORDS),
    "cancels": Command(cancels.measure, cancels.report, 165.0),
    "rapid-reset": Command(rapid_reset.measure, rapid_reset.report, 50.0),
}
"""By name."""
