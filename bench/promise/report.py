"""A proof as a table on the terminal, as JSON, and as a page."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.promise.parts import write_atomically
from bench.promise.proof import Curve, Grid, Proof
from loadtest.open_loop.chart import Line, chart
from loadtest.open_loop.histogram import Percentiles
from loadtest.open_loop.page import bullets, document, measured, table
from loadtest.open_loop.point import Point, Slice

HEADINGS = ("what", "value", "wanted", "verdict")


def show(proof: Proof, console: Console) -> None:
    """Print facts and the table of checks."""
    listed = Table(title=proof.title, title_justify="left")
    for place, heading in enumerate(HEADINGS):
        listed.add_column(heading, justify="right" if 0 < place < 3 else "left")
    for check in proof.checks:
        listed.add_row(*check.cells, style="" if check.met else "red")
    console.print(listed)
    for fact in proof.facts:
        console.print(fact, style="dim")


def write(proof: Proof, out: Path) -> None:
    """NAME.json and NAME.html in `out`."""
    write_atomically(out / f"{proof.name}.json", json.dumps(proof.to_json(), indent=1))
    write_atomically(out / f"{proof.name}.html", page(proof))


def page(proof: Proof) -> str:
    """The whole document: nothing is loaded from elsewhere."""
    points = [point_of_json(one) for one in proof.points]
    body = [
        table(HEADINGS, [check.cells for check in proof.checks]),
        bullets([*proof.facts, *(f"{name}: {value}" for name, value in proof.machine.items())]),
        *(drawn(curve) for curve in proof.curves),
        *(_grid(grid) for grid in proof.grids),
    ]
    return document(proof.title, [*body, *(["<h2>Trials</h2>", *measured(points)] if points else [])])


def drawn(curve: Curve) -> str:
    """As inline SVG with its title."""
    lines = [Line(name, [(x, y) for x, y in points]) for name, points in curve.lines.items()]
    return f"<h3>{html.escape(curve.title)}</h3>{chart(curve.title, curve.x_name, curve.y_name, lines)}"


def point_of_json(values: dict[str, Any]) -> Point:
    """What `asdict` made of a Point."""
    slices = [Slice(**{**one, "latency": Percentiles(**one["latency"])}) for one in values["slices"]]
    return Point(**{**values, "latency": Percentiles(**values["latency"]), "lateness": Percentiles(**values["lateness"]), "slices": slices})


def _grid(grid: Grid) -> str:
    return f"<h3>{html.escape(grid.title)}</h3>{table(grid.headings, grid.rows)}"
