"""Plots as inline SVG: bars of a histogram, a bar of a share, and a curve over efforts. Each says in words what it shows, for who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bundle.distribution import Distribution
from cli.report.markup import Markup, tag
from cli.report.words import short

Words = Callable[[float], str]

_WIDTH, _HEIGHT, _FOOT = 320.0, 96.0, 16.0
_GAP = 1.0  # between bars; they stay bars on paper


def histogram(spread: Distribution, title: str, words: Words = short) -> Markup:
    """The bars of a distribution, with the ends of its axis in words."""
    most = max(spread.counts, default=0)
    step = _WIDTH / max(1, len(spread.counts))
    bars = []
    for place, count in enumerate(spread.counts):
        height = max(1.0, (_HEIGHT - _FOOT) * count / most) if count else 0.0  # one of many is still seen
        if count:
            bars.append(_rect(place * step, _HEIGHT - _FOOT - height, max(0.5, step - _GAP), height))
    scale = ", logarithmic scale" if spread.logarithmic else ""
    ends = [_label(0.0, "start", words(spread.least)), _label(_WIDTH, "end", words(spread.most))]
    if scale:
        ends.append(_label(_WIDTH / 2, "middle", "logarithmic scale"))
    said = f"{title}: {words(spread.least)} to {words(spread.most)}, median {words(spread.quantiles[2])}{scale}"
    return _picture(_WIDTH, _HEIGHT, said, [*bars, _line(0.0, _HEIGHT - _FOOT, _WIDTH, _HEIGHT - _FOOT, "axis"), *ends])


def bar(part: float) -> Markup:
    """A share of 0 to 1 as one bar; the number stands beside it, so a reader's software passes over it."""
    return tag(
        "svg",
        _rect(0.0, 2.0, 100.0 * min(1.0, max(0.0, part)), 8.0),
        view_box="0 0 100 12",
        class_="bar",
        aria_hidden="true",
        preserveAspectRatio="none",
    )


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn against efforts. points: (effort, value), ascending. chosen: the effort that is served. floor: a value that was asked for."""

    title: str
    points: Sequence[tuple[float, float]]
    chosen: float
    words: Words
    floor: float | None = None


_PLOT_WIDTH, _PLOT_HEIGHT = 560.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 18.0, 20.0, 34.0
_NAME_WIDTH = 36.0  # five digits and a space


def curve(drawn: Curve) -> Markup:
    """A curve with its points, the effort that is served, and the floor."""
    x, y = _x_scale(drawn), _y_scale(drawn)
    bottom = _PLOT_HEIGHT - _BOTTOM
    parts = [_line(_LEFT, bottom, _PLOT_WIDTH - _RIGHT, bottom, "axis"), _line(_LEFT, _TOP, _LEFT, bottom, "axis")]
    parts += [_label(x(effort), "middle", short(effort), bottom + 14) for effort in _named([effort for effort, _ in drawn.points], x)]
    parts.append(_label(_PLOT_WIDTH - _RIGHT, "end", "effort (ef of hnswlib), logarithmic scale", _PLOT_HEIGHT - 4))
    parts += [_label(_LEFT - 6, "end", drawn.words(value), y(value) + 4) for value in _ends([value for _, value in drawn.points])]
    parts += [
        _line(x(drawn.chosen), _TOP, x(drawn.chosen), bottom, "limit"),
        _limit_name(x(drawn.chosen), _TOP - 6, f"served: {short(drawn.chosen)}"),
    ]
    if drawn.floor is not None:
        parts += [_line(_LEFT, y(drawn.floor), _PLOT_WIDTH - _RIGHT, y(drawn.floor), "limit")]
        parts += [_limit_name(_PLOT_WIDTH - _RIGHT, y(drawn.floor) - 5, f"asked for: {drawn.words(drawn.floor)}")]
    path = " ".join(f"{x(effort):.1f},{y(value):.1f}" for effort, value in drawn.points)
    parts.append(tag("polyline", points=path, class_="curve"))
    parts += [tag("circle", cx=f"{x(effort):.1f}", cy=f"{y(value):.1f}", r="3.5", class_="shape") for effort, value in drawn.points]
    said = ", ".join(f"{drawn.words(value)} at {short(effort)}" for effort, value in drawn.points)
    return _picture(_PLOT_WIDTH, _PLOT_HEIGHT, f"{drawn.title}: {said}; served with {short(drawn.chosen)}", parts)


def _x_scale(drawn: Curve) -> Callable[[float], float]:
    efforts = [max(1.0, effort) for effort, _ in drawn.points] + [max(1.0, drawn.chosen)]
    low, high = math.log(min(efforts)), math.log(max(efforts))
    width = _PLOT_WIDTH - _LEFT - _RIGHT
    return lambda effort: _LEFT + width * ((math.log(max(1.0, effort)) - low) / (high - low) if high > low else 0.5)


def _y_scale(drawn: Curve) -> Callable[[float], float]:
    values = [value for _, value in drawn.points] + ([drawn.floor] if drawn.floor is not None else [])
    low, high = min(values), max(values)
    margin = 0.08 * (high - low)
    height = _PLOT_HEIGHT - _TOP - _BOTTOM
    return lambda value: _TOP + height * (1.0 - ((value - low + margin) / (high - low + 2 * margin) if high > low else 0.5))


def _named(efforts: Sequence[float], x: Callable[[float], float]) -> Sequence[float]:
    """Those of ascending efforts whose names have room beside each other, the last one among them."""
    kept = [efforts[-1]]
    for effort in reversed(efforts[:-1]):
        if x(kept[-1]) - x(effort) >= _NAME_WIDTH:
            kept.append(effort)
    return kept


def _ends(values: Sequence[float]) -> Sequence[float]:
    return sorted({min(values), max(values)})


def _picture(width: float, height: float, said: str, parts: Sequence[Markup]) -> Markup:
    return tag("svg", *parts, view_box=f"0 0 {width:g} {height:g}", role="img", aria_label=said)


def _rect(x: float, y: float, width: float, height: float) -> Markup:
    return tag("rect", x=f"{x:.2f}", y=f"{y:.2f}", width=f"{width:.2f}", height=f"{height:.2f}", class_="shape")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=kind)


def _label(x: float, anchor: str, words: str, y: float = _HEIGHT - 4) -> Markup:
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _limit_name(x: float, y: float, words: str) -> Markup:
    anchor = "end" if x > _PLOT_WIDTH / 2 else "start"
    return tag("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_="limit-name")
