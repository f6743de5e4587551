"""Tables that a screen reader can read: a caption, headings with a scope, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

from cli.report.markup import Content, Markup, tag
from cli.report.plots import bar
from cli.report.words import share, whole


def table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[Content]], numbers: frozenset[int] = frozenset()) -> Markup:
    """Rows under headings; the first cell of each is its own heading. numbers: the places of columns that hold numbers."""

    def kind(place: int) -> str | None:
        return "number" if place in numbers else None

    head = tag("tr", *(tag("th", heading, scope="col", class_=kind(place)) if heading else tag("td") for place, heading in enumerate(headings)))
    body = [
        tag("tr", *(tag("td" if place else "th", cell, scope=None if place else "row", class_=kind(place)) for place, cell in enumerate(row)))
        for row in rows
    ]
    return tag("div", tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body)), class_="wide", tabindex="0")


def facts(caption: str, pairs: Sequence[tuple[str, Content]]) -> Markup:
    """What is what, in two columns."""
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in pairs]
    return tag("div", tag("table", tag("caption", caption), tag("tbody", *rows)), class_="wide", tabindex="0")


def shares(caption: str, heading: str, counts: Sequence[tuple[str, int]], of: int) -> Markup:
    """Counts with their share of `of`, and a bar."""
    rows = [(name, whole(count), share(count, of), bar(count / of if of else 0.0)) for name, count in counts]
    return table(caption, (heading, "count", "share", ""), rows, numbers=frozenset({1, 2}))
