"""Plots of means with their 95 % intervals, as inline SVG: one line per method, and a curve over counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cli.report.markup import Markup, tag
from evaluation.bootstrap import Interval

_WIDTH, _LINE, _FOOT = 560.0, 26.0, 24.0
_NAMES, _RIGHT = 160.0, 60.0  # room for a method's name and for its mean
_HEIGHT, _LEFT, _TOP, _BOTTOM = 220.0, 52.0, 16.0, 34.0


def dots(title: str, rows: Sequence[tuple[str, Interval, bool]]) -> Markup:
    """rows: (name, interval, whether it is ours). From zero on, so that lengths compare."""
    most = max((one.high for _, one, _ in rows), default=0.0) or 1.0
    height = _LINE * len(rows) + _FOOT
    parts = [_axis(_NAMES, height - _FOOT, _WIDTH - _RIGHT, height - _FOOT)]
    for place, (name, one, ours) in enumerate(rows):
        y = _LINE * (place + 0.5)
        parts.append(tag("text", name, x=f"{_NAMES - 8:g}", y=f"{y + 4:.1f}", text_anchor="end"))
        parts.append(_whisker(_along(one.low, most), _along(one.high, most), y))
        parts.append(tag("circle", cx=f"{_along(one.mean, most):.1f}", cy=f"{y:.1f}", r="5" if ours else "3.5", class_="shape"))
        parts.append(tag("text", f"{one.mean:.4f}", x=f"{_WIDTH - _RIGHT + 8:.0f}", y=f"{y + 4:.1f}", text_anchor="start"))
    parts += [tag("text", f"{value:.2f}", x=f"{_along(value, most):.1f}", y=f"{height - 8:.1f}", text_anchor="middle") for value in (0.0, most)]
    return _picture(title, ", ".join(f"{name} {_said(one)}" for name, one, _ in rows), height, parts)


def counts_curve(title: str, points: Sequence[tuple[int, Interval]]) -> Markup:
    """points: (count, interval), counts ascending, drawn on a logarithmic scale."""
    x, y = _scales(points)
    bottom = _HEIGHT - _BOTTOM
    parts = [_axis(_LEFT, bottom, _WIDTH - 18, bottom), _axis(_LEFT, _TOP, _LEFT, bottom)]
    path = " ".join(f"{x(count):.1f},{y(one.mean):.1f}" for count, one in points)
    parts.append(tag("polyline", points=path, class_="curve"))
    for count, one in points:
        parts.append(tag("line", x1=f"{x(count):.1f}", y1=f"{y(one.low):.1f}", x2=f"{x(count):.1f}", y2=f"{y(one.high):.1f}", class_="limit"))
        parts.append(tag("circle", cx=f"{x(count):.1f}", cy=f"{y(one.mean):.1f}", r="3.5", class_="shape"))
        parts.append(tag("text", f"{count:,}", x=f"{x(count):.1f}", y=f"{bottom + 14:.0f}", text_anchor="middle"))
    ends = min(one.low for _, one in points), max(one.high for _, one in points)
    parts += [tag("text", f"{value:.3f}", x=f"{_LEFT - 6:g}", y=f"{y(value) + 4:.1f}", text_anchor="end") for value in ends]
    parts.append(tag("text", "candidates, logarithmic scale", x=f"{_WIDTH - 18:g}", y=f"{_HEIGHT - 4:g}", text_anchor="end"))
    return _picture(title, ", ".join(f"{_said(one)} at {count:,}" for count, one in points), _HEIGHT, parts)


class _Linear:
    """Maps [low, high] to [start, end]; the middle where low and high are one."""

    def __init__(self, low: float, high: float, start: float, end: float, *, logarithmic: bool = False) -> None:
        self._of = math.log if logarithmic else float
        self._low, self._high, self._start, self._end = self._of(low), self._of(high), start, end

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / (self._high - self._low) if self._high > self._low else 0.5
        return self._start + share * (self._end - self._start)


def _scales(points: Sequence[tuple[int, Interval]]) -> tuple[_Linear, _Linear]:
    counts = [count for count, _ in points]
    low, high = min(one.low for _, one in points), max(one.high for _, one in points)
    across = _Linear(min(counts), max(counts), _LEFT + 16, _WIDTH - 40, logarithmic=True)
    return across, _Linear(low, high, _HEIGHT - _BOTTOM - 8, _TOP + 4)


def _along(value: float, most: float) -> float:
    return _NAMES + (_WIDTH - _RIGHT - _NAMES) * max(0.0, value) / most


def _whisker(x1: float, x2: float, y: float) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y:.1f}", x2=f"{x2:.1f}", y2=f"{y:.1f}", class_="curve")


def _axis(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_="axis")


def _said(one: Interval) -> str:
    return f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f})"


def _picture(title: str, said: str, height: float, parts: Sequence[Markup]) -> Markup:
    svg = tag("svg", *parts, view_box=f"0 0 {_WIDTH:g} {height:g}", role="img", aria_label=f"{title}: {said}")
    return tag("figure", svg, tag("figcaption", title))
