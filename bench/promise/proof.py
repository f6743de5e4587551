"""What a command found: lines with a value, what was wanted, and whether it holds; and what is drawn of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SIGN = {"at least": ">=", "at most": "<="}


@dataclass(frozen=True, slots=True)
class Check:
    """One line. sense: "at least" or "at most" `wanted`. unit: "%" for shares, which are kept as 0 to 1. doubt: why the value proves nothing."""

    what: str
    value: float
    sense: str
    wanted: float
    unit: str = "%"
    doubt: str = ""

    @property
    def met(self) -> bool:
        """Whether it is proved. What is in doubt, or was not measured (nan), is not."""
        if self.doubt or math.isnan(self.value):
            return False
        return self.value >= self.wanted if self.sense == "at least" else self.value <= self.wanted

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What, value, wanted, verdict."""
        verdict = "pass" if self.met else f"not shown: {self.doubt}" if self.doubt else "FAIL"
        return self.what, shown(self.value, self.unit), f"{SIGN[self.sense]} {shown(self.wanted, self.unit)}", verdict


@dataclass(frozen=True, slots=True)
class Curve:
    """Lines over one axis: name -> points (x, y)."""

    title: str
    x_name: str
    y_name: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of its own. Cells are text, as they are to be read."""

    title: str
    headings: list[str]
    rows: list[list[str]]


@dataclass(slots=True)
class Proof:
    """Of one command. facts: how it was measured. seed: of all draws. points: of the load generator (its `Point`, as JSON has it), for the page."""

    name: str
    title: str
    seed: int
    checks: list[Check] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    grids: list[Grid] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    machine: dict[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every line holds. A proof without lines proves nothing."""
        return bool(self.checks) and all(check.met for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, with the verdicts."""
        return {**asdict(self), "met": self.met, "checks": [{**asdict(check), "met": check.met} for check in self.checks]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        checks = [Check(**{name: value for name, value in one.items() if name != "met"}) for one in values["checks"]]
        grids, curves = [Grid(**one) for one in values["grids"]], [_curve(one) for one in values["curves"]]
        plain = {name: values[name] for name in ("name", "title", "seed", "facts", "points", "machine")}
        return cls(checks=checks, grids=grids, curves=curves, **plain)


def _curve(values: dict[str, Any]) -> Curve:
    lines = {name: [(float(x), float(y)) for x, y in points] for name, points in values["lines"].items()}
    return Curve(**{**values, "lines": lines})


def shown(value: float, unit: str) -> str:
    """For people: two decimals of a percentage, else four significant digits."""
    if math.isnan(value):
        return "not measured"
    if unit == "%":
        return f"{value:.2%}"
    return f"{value:.4g} {unit}".strip()


def doubts(points: Sequence[Any]) -> str:
    """Why the points prove nothing, when they do not: the generator did not keep up."""
    late = [point for point in points if not point.kept_up]
    if not late:
        return ""
    rates = ", ".join(f"{point.offered_per_s:.0f}" for point in late)
    return f"the generator did not keep up at {rates}/s"


def too_few(count: int, wanted_count: int) -> str:
    """Why so many calls show nothing, when they do not."""
    return "" if count >= wanted_count else f"{count:,} calls are too few, wanted {wanted_count:,}"
