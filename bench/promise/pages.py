"""docs/performance.md from what the commands wrote: tables between markers, and curves as SVG files beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from bench.promise.proof import Curve, Grid, Proof
from evaluation.markdown import fill
from loadtest.open_loop.chart import Line, chart

PAGE = Path("docs/performance.md")
PICTURES = Path("docs/performance")
STYLE = "<style>svg{font:11px system-ui,sans-serif;color:#444;background:#fff}</style>"


def write_page(out: Path, page: Path = PAGE, pictures: Path = PICTURES) -> list[Path]:
    """Fill the page from every NAME.json in `out` that it has a block for; the other blocks stay. Returns the files written.

    Raises ValueError for a proof without a block, FileNotFoundError where there is none at all.
    """
    proofs = [Proof.from_json(json.loads(file.read_text(encoding="utf-8"))) for file in sorted(out.glob("*.json"))]
    if not proofs:
        raise FileNotFoundError(f"{out} holds no results; run python -m bench.promise all first")
    pictures.mkdir(parents=True, exist_ok=True)
    written = [page]
    filling = {}
    for proof in proofs:
        names = picture_names(proof)
        for curve, name in zip(proof.curves, names, strict=True):
            (pictures / name).write_text(picture(curve), encoding="utf-8")
            written.append(pictures / name)
        filling[proof.name] = block(proof, names, pictures.name)
    page.write_text(fill(page.read_text(encoding="utf-8"), filling), encoding="utf-8")
    return written


def block(proof: Proof, pictures: list[str], folder: str) -> str:
    """What stands between the markers of one proof."""
    verdict = "holds" if proof.met else "DOES NOT HOLD"
    parts = [
        f"**{proof.title}: {verdict}.**\n\n",
        _table(Grid("", ["what", "value", "wanted", ""], [list(check.cells) for check in proof.checks])),
        "\n",
    ]
    parts += [f"![{curve.title}]({folder}/{name})\n\n" for curve, name in zip(proof.curves, pictures, strict=True)]
    parts += [f"{grid.title}:\n\n{_table(grid)}\n" for grid in proof.grids]
    parts += [f"- {fact}\n" for fact in (*proof.facts, _machine(proof))]
    return "".join(parts)


def picture(curve: Curve) -> str:
    """A file of its own."""
    drawn = chart(curve.title, curve.x_name, curve.y_name, [Line(name, points) for name, points in curve.lines.items()])
    return re.sub("^<svg ([^>]*)>", lambda found: f'<svg xmlns="http://www.w3.org/2000/svg" {found[1]}>{STYLE}', drawn) + "\n"


def picture_names(proof: Proof) -> list[str]:
    """One per curve."""
    return [f"{proof.name}-{number}.svg" for number in range(1, len(proof.curves) + 1)]


def _table(grid: Grid) -> str:
    return "".join(f"|{'|'.join(cell.replace('|', ' ') for cell in cells)}|\n" for cells in (grid.headings, ["---"] * len(grid.headings), *grid.rows))


def _machine(proof: Proof) -> str:
    return f"seed {proof.seed}; {_listed(proof.machine)}"


def _listed(facts: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value != "")
