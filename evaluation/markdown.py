"""The figures as Markdown, and pages whose figures are filled in by a command, so that they cannot rot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evaluation.bootstrap import Interval
from evaluation.result import OURS, Evaluation, Row

MAIN_COLUMNS = ("NDCG@20", "Recall@20", "Recall@50", "Recall@500")
COLD_COLUMNS = ("Recall@50", "Recall@20", "NDCG@20", "Recall@500")
SHARE_COLUMNS = ("coverage", "Gini", "emerging")

_BLOCK = re.compile(r"(<!-- measured: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def blocks(found: Evaluation) -> dict[str, str]:
    """By name what stands between `<!-- measured: name -->` and `<!-- end -->`."""
    return {
        "facts": _facts(found),
        "main": table(found.main, MAIN_COLUMNS, SHARE_COLUMNS),
        "cold": table(found.cold, COLD_COLUMNS, ("emerging",)),
        "cold-only": table(found.cold_only, COLD_COLUMNS, ()),
        "gains": _lines(("compared, paired by user", "difference"), [(name, _cell(gain)) for name, gain in found.gains.items()]),
        "sweep": _lines(("candidates", "NDCG@20 of the slate"), [(f"{count:,}", _cell(one)) for count, one in found.sweep]),
    }


def fill(page: str, filling: Mapping[str, str]) -> str:
    """The page with every block of `filling` in its place; blocks of other names stay. ValueError for a block without a place."""
    places = {match["name"] for match in _BLOCK.finditer(page)}
    lost = sorted(set(filling) - places)
    if lost:
        raise ValueError(f'the page has no block "{lost[0]}"; put <!-- measured: {lost[0]} --> and <!-- end --> into it, on lines of their own')
    return _BLOCK.sub(lambda match: f"{match[1]}{filling[match['name']]}{match[3]}" if match["name"] in filling else match[0], page)


def table(rows: Sequence[Row], metrics: Sequence[str], shares: Sequence[str]) -> str:
    """One line per method: metrics with intervals, then shares; ours in bold."""
    lines = [(_name(row.name), *(_metric(row, name) for name in metrics), *(_share(row, name) for name in shares)) for row in rows]
    return _lines(("method", *metrics, *shares), lines)


def ablations(named: Mapping[str, Evaluation], of: str) -> str:
    """One line per variant: the row of method `of` in each of its evaluations."""
    lines = []
    for name, found in named.items():
        main, cold = (next(row for row in rows if row.name == of) for rows in (found.main, found.cold))
        retrieved = next(row for row in found.main if "retrieval" in row.name)
        found_cold = next(row for row in found.cold if "retrieval" in row.name)
        lines.append(
            (
                name,
                _metric(main, "NDCG@20"),
                _metric(main, "Recall@20"),
                _metric(retrieved, "Recall@500"),
                _metric(found_cold, "Recall@50"),
                _metric(cold, "Recall@50"),
            )
        )
    return _lines(("variant", "NDCG@20", "Recall@20", "Recall@500 of stage 1", "cold Recall@50 of stage 1", "cold Recall@50 of the slate"), lines)


def _facts(found: Evaluation) -> str:
    return _lines(("", ""), [(name, _fact(value)) for name, value in found.facts.items()])


def _fact(value: int | float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.1e}"


def _name(name: str) -> str:
    return f"**{name}**" if name in OURS else name


def _metric(row: Row, name: str) -> str:
    return _cell(row.intervals[name]) if name in row.intervals else "-"


def _share(row: Row, name: str) -> str:
    return f"{row.shares[name]:.3f}" if name in row.shares else "-"


def _cell(one: Interval) -> str:
    return f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f})"


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"|{'|'.join(cells)}|\n" for cells in (head, ["---"] * len(head), *rows))
