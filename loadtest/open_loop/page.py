"""The run as one HTML page: nothing is loaded from elsewhere, and nothing on it runs."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from loadtest.open_loop.chart import Line, chart
from loadtest.open_loop.point import Point

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color-scheme: light dark }
table { border-collapse: collapse; display: block; overflow-x: auto } td, th { padding: .2rem .7rem; text-align: right }
svg { width: 100%; max-width: 640px; font-size: 11px } .bad { color: #c0392b }"""
_HEADINGS = (
    "offered /s",
    "achieved /s",
    "goodput /s",
    "inside",
    "p50 ms",
    "p99 ms",
    "max ms",
    "sent late, p99 ms",
    "attempts",
    "client cores",
    "server cores",
)


def page(title: str, facts: Sequence[str], points: Sequence[Point]) -> str:
    """The whole document. facts: lines on how it was measured. points: by offered rate, ascending."""
    body = [bullets(facts), "<h2>Goodput</h2>", goodput(points), *measured(points)]
    return document(title, body)


def document(title: str, body: Sequence[str]) -> str:
    """A page with this title above this body."""
    policy = html.escape(_POLICY, quote=True)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}"><title>{html.escape(title)}</title>'
    inner = f"<h1>{html.escape(title)}</h1>{''.join(body)}"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{inner}</body></html>\n'


def bullets(facts: Sequence[str]) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{html.escape(fact)}</li>" for fact in facts) + "</ul>"


def measured(points: Sequence[Point]) -> list[str]:
    """What there is to say of points: a table, failures and degradations by name, and percentiles over time."""
    return [
        table(_HEADINGS, map(_row, points)),
        *_unbelievable(points),
        "<h2>Failures and degradations</h2>",
        table(("offered /s", "what", "calls"), _counts(points)),
        "<h2>Latency over time</h2>",
        *map(_over_time, points),
    ]


def goodput(points: Sequence[Point]) -> str:
    """The curve as SVG; points that are not to be believed are hollow."""
    doubtful = frozenset(point.offered_per_s for point in points if not point.kept_up)
    lines = [
        Line("goodput", [(point.offered_per_s, point.goodput_per_s) for point in points], doubtful),
        Line("achieved", [(point.offered_per_s, point.achieved_per_s) for point in points], doubtful),
    ]
    return chart("Goodput by offered rate", "offered calls a second", "calls a second", lines)


def _row(point: Point) -> list[str]:
    latency = point.latency
    cores = "not known" if point.server_cores is None else f"{point.server_cores:.2f}"
    return [
        f"{point.offered_per_s:.1f}" + ("" if point.kept_up else " *"),
        f"{point.achieved_per_s:.1f}",
        f"{point.goodput_per_s:.1f}",
        f"{point.good_share:.2%}",
        *(f"{value_ms:.2f}" for value_ms in (latency.p50_ms, latency.p99_ms, latency.max_ms, point.lateness.p99_ms)),
        f"{point.attempts_per_call:.3f}",
        f"{point.client_cores:.2f}",
        cores,
    ]


def _unbelievable(points: Sequence[Point]) -> list[str]:
    if all(point.kept_up for point in points):
        return []
    return ['<p class="bad">* The generator did not keep up: its calls were sent late. These points say more about it than about the server.</p>']


def _counts(points: Sequence[Point]) -> Iterable[list[str]]:
    for point in points:
        for name, count in (*point.failures.items(), *((f"degraded: {name}", count) for name, count in point.degradations.items())):
            yield [f"{point.offered_per_s:.1f}", name, str(count)]


def _over_time(point: Point) -> str:
    told = [one for one in point.slices if one.planned_count]
    lines = [
        Line("p50", [(one.start_s, one.latency.p50_ms) for one in told]),
        Line("p99", [(one.start_s, one.latency.p99_ms) for one in told]),
        Line("max", [(one.start_s, one.latency.max_ms) for one in told]),
    ]
    title = f"{point.offered_per_s:.1f} calls a second"
    return f"<h3>{title}</h3>" + chart(f"Latency at {title}", "seconds", "ms", lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """As HTML; every cell is text."""
    head = "".join(f"<th>{html.escape(one)}</th>" for one in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
