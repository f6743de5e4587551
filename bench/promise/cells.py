"""The cells of the deadlines' tables: one contestant at one deadline and load; and what the lines, tables and curves say of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.promise.proof import Check, Curve, Grid
from bench.promise.world import COSTS_MS

LOADS = (0.2, 0.5, 0.8)  # of C at that deadline
LEAST_IN_TIME = 0.995
TIE = 0.001  # of NDCG: less is no difference. Users are drawn with the same seed for everybody, so chance is the same for all
OURS = "Earshot"


@dataclass(frozen=True, slots=True)
class Cell:
    """One contestant at one deadline and load. ndcg: of the answers in time. skipped: why it was not measured; its shares are nan then."""

    contestant: str
    ranker: str
    deadline_ms: float
    load: float
    rate_per_s: float
    in_time: float
    ndcg: float
    doubt: str = ""
    skipped: str = ""
    call_count: int = 0

    @property
    def contends(self) -> bool:
        """Whether it keeps the deadline too: only then is its quality a standard."""
        return self.in_time >= LEAST_IN_TIME

    @property
    def place(self) -> tuple[str, float, float]:
        """Where it may be compared."""
        return self.ranker, self.deadline_ms, self.load


def checks(cells: Sequence[Cell]) -> list[Check]:
    """Two lines per place: how many of ours are in time, and by how much the best of those that contend is ahead of us."""
    lines = []
    for cell in (one for one in cells if one.contestant == OURS):
        where = f"{COSTS_MS[cell.ranker]:g} ms ranker, deadline {cell.deadline_ms:g} ms, {cell.load:g} C"
        late = (cell.skipped or cell.doubt) if not cell.contends else ""  # being sent late makes it harder, never easier
        lines.append(Check(f"{where}: in time", cell.in_time, "at least", LEAST_IN_TIME, doubt=late))
        rivals = [one for one in cells if one.place == cell.place and one.contestant != OURS and one.contends]
        if rivals:
            best = max(rivals, key=lambda one: one.ndcg)
            lines.append(Check(f"{where}: NDCG less that of {best.contestant}", cell.ndcg - best.ndcg, "at least", -TIE, ""))
    return lines


def grid(cells: Sequence[Cell], ranker: str) -> Grid:
    """One line per deadline and load, one column per contestant: in time, NDCG."""
    own = [cell for cell in cells if cell.ranker == ranker]
    names = list(dict.fromkeys(cell.contestant for cell in own))
    rows = []
    for place in dict.fromkeys(cell.place for cell in own):
        here = {cell.contestant: cell for cell in own if cell.place == place}
        first = next(iter(here.values()))
        rows.append([f"{place[1]:g} ms", f"{place[2]:g} C", f"{first.rate_per_s:.0f}/s", *(_text(here.get(name)) for name in names)])
    return Grid(f"{COSTS_MS[ranker]:g} ms ranker: in time, NDCG@20", ["deadline", "load", "rate", *names], rows)


def _text(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return cell.skipped or (f"{cell.in_time:.2%}, {cell.ndcg:.4f}" if not math.isnan(cell.in_time) else "-")


def curve(cells: Sequence[Cell], ranker: str) -> Curve:
    """NDCG by deadline at the highest load, of those in time."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for cell in cells:
        if cell.ranker == ranker and cell.load == LOADS[-1] and cell.contends:
            lines.setdefault(cell.contestant, []).append((cell.deadline_ms, cell.ndcg))
    return Curve(f"NDCG@20 by deadline at {LOADS[-1]:g} C, {COSTS_MS[ranker]:g} ms ranker", "deadline, ms", "NDCG@20 of those in time", lines)
