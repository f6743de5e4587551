"""Whom Earshot is held against, and which of them need no measuring at a place, since what they would show is known."""

from __future__ import annotations

from collections.abc import Sequence

from bench.promise.cells import Cell
from bench.promise.world import COSTS_MS
from bench.question import CANDIDATE_COUNT

COUNTS = (500, 200, 100, 50, 20)  # the best answers first: smaller counts run only where no larger one is in time
LEAST_HOPE = 0.98  # of the calls in time at a lower load; below it, a fixed count misses 99.5 % at a higher one, too
FIXED = "fixed "
QUALITY_FACTOR = "QualityFactor"


def names() -> list[str]:
    """In the order in which they are measured."""
    return [*(f"{FIXED}{count}" for count in COUNTS), QUALITY_FACTOR]


def plan_of(name: str) -> str:
    """What bench.promise.contestant calls it."""
    return f"fixed:{_count(name)}" if name.startswith(FIXED) else "quality-factor"


def why_skipped(name: str, place: tuple[str, float, float], cells: Sequence[Cell]) -> str:
    """Why this rival need not be measured at (ranker, deadline in ms, load), given the cells so far; "" when it must.

    Only fixed counts are ever skipped: the quality factor may find its way at any load.
    """
    if not name.startswith(FIXED):
        return ""
    ranker, deadline_ms, load = place
    if COSTS_MS[ranker] * _count(name) / CANDIDATE_COUNT >= deadline_ms:
        return "ranking alone takes longer"
    same_deadline = [cell for cell in cells if cell.place[:2] == (ranker, deadline_ms)]
    missed = [cell.load for cell in same_deadline if cell.contestant == name and cell.load < load and _hopeless(cell)]
    if missed:
        return f"missed at {missed[0]:g} C"
    better = [cell.contestant for cell in same_deadline if cell.load == load and _is_larger(cell.contestant, name) and cell.contends]
    return f"{better[0]} is in time" if better else ""


def _hopeless(cell: Cell) -> bool:
    """Missed by far, by its own fault."""
    return cell.in_time < LEAST_HOPE and not cell.doubt


def _is_larger(contestant: str, name: str) -> bool:
    return contestant.startswith(FIXED) and _count(contestant) > _count(name)


def _count(name: str) -> int:
    return int(name.removeprefix(FIXED))
