"""Lines over one axis as inline SVG. Each chart says in words what it shows, for who cannot see it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 110.0, 16.0, 40.0
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#7f6000")


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y), ascending in x. marked: the x of points that are drawn hollow, because they are not to be believed."""

    name: str
    points: Sequence[tuple[float, float]]
    marked: frozenset[float] = frozenset()


def chart(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """The lines on common axes, both from 0."""
    most_x = max((x for line in lines for x, _ in line.points), default=0.0) or 1.0
    most_y = max((y for line in lines for _, y in line.points), default=0.0) or 1.0
    floor = HEIGHT - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / most_x, floor - (floor - TOP) * y / most_y

    parts = [f'<path d="M{LEFT:g} {TOP:g}V{floor:g}H{WIDTH - RIGHT:g}" fill="none" stroke="currentColor"/>']
    parts += [_text(place(most_x * share, 0)[0], floor + 15, "middle", f"{most_x * share:.4g}") for share in (0, 0.5, 1)]
    parts += [_text(LEFT - 6, place(0, most_y * share)[1] + 4, "end", f"{most_y * share:.4g}") for share in (0, 0.5, 1)]
    parts += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", x_name), _text(LEFT + 6, TOP, "start", y_name)]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        parts += _drawn(line, [place(x, y) for x, y in line.points], colour)
        parts.append(_text(WIDTH - RIGHT + 8, TOP + 16 * number + 6, "start", line.name, colour))
    said = "; ".join(f"{line.name}: " + ", ".join(f"{y:.4g} at {x:.4g}" for x, y in line.points) for line in lines)
    label = html.escape(f"{title}. {said}", quote=True)
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _drawn(line: Line, places: Sequence[tuple[float, float]], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" stroke="{colour}" fill="{"none" if point[0] in line.marked else colour}"/>'
        for point, (x, y) in zip(line.points, places, strict=True)
    ]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}"/>', *dots]


def _text(x: float, y: float, anchor: str, words: str, colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{html.escape(words)}</text>'
