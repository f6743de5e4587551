"""What the benchmark of folding prints and writes, and what it judges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.folding.measure import Line
from ranking.agree import LEAST_NDCG
from ranking.plan import FORM_NARROWED

NOISE = 0.95
"""A form that is served must not be slower than the whole one; medians of interleaved runs of the same thing differ by less than this."""


def problems(line: Line) -> list[str]:
    """Which targets a shape misses, in words."""
    wanted, told = line.wanted_speedup, []
    if line.speedup < (wanted or NOISE):
        told.append(f"{line.speedup:.2f} times as fast as whole, " + (f"{wanted:g} times are wanted" if wanted else "it must not be slower"))
    if line.narrow and line.form == FORM_NARROWED:
        return told + ([f"NDCG@20 is {line.mean_ndcg:.5f}, at least {LEAST_NDCG} is wanted"] if line.mean_ndcg < LEAST_NDCG else [])
    changed = len(line.whole_ms) - line.identical - line.tied
    if changed:
        told.append(f"{changed} of {len(line.whole_ms)} requests have another page")
    return told


def markdown(lines: Sequence[Line]) -> str:
    """A table for documents."""
    heads = (
        "ranker",
        "served",
        "exported ms",
        "whole ms",
        "served ms",
        "times faster",
        "wanted",
        "bytes per creator",
        "same best 20",
        "NDCG@20",
        "largest difference",
    )
    rows = [heads, ["---"] * len(heads), *map(_cells, lines)]
    return "\n".join(f"|{'|'.join(cells)}|" for cells in rows)


def _cells(line: Line) -> list[str]:
    wanted = line.wanted_speedup
    same = f"{line.identical} of {len(line.whole_ms)}" + (f", {line.tied} but for ties" if line.tied else "")
    return [
        line.shape.title,
        line.form,
        f"{np.median(line.exported_ms):.2f}",
        f"{np.median(line.whole_ms):.2f}",
        f"{np.median(line.served_ms):.2f}",
        f"{line.speedup:.2f}",
        "" if wanted is None else f"{wanted:g}",
        f"{line.bytes_per_creator:,}",
        same,
        f"{line.mean_ndcg:.5f}",
        f"{line.largest_difference:.1e}",
    ]


def as_json(line: Line) -> dict[str, object]:
    """The same for a program."""
    return {
        "shape": line.name,
        "title": line.shape.title,
        "form": line.form,
        "requests": len(line.whole_ms),
        "exported_ms": float(np.median(line.exported_ms)),
        "whole_ms": float(np.median(line.whole_ms)),
        "served_ms": float(np.median(line.served_ms)),
        "speedup": line.speedup,
        "least_speedup": line.wanted_speedup,
        "mean_ndcg": line.mean_ndcg,
        "bytes_per_creator": line.bytes_per_creator,
        "identical": line.identical,
        "tied": line.tied,
        "largest_difference": line.largest_difference,
        "missed": problems(line),
    }
