"""The report on an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from cli.report.document import document
from cli.report.intervals import counts_curve, dots
from cli.report.markup import Content, Markup, join, tag
from cli.report.tables import facts, table
from evaluation.bootstrap import Interval
from evaluation.claims import Claim, claims
from evaluation.result import OURS, Evaluation, Row

_METRICS = ("NDCG@20", "Recall@20", "Recall@50", "Recall@500")
_SHARES = ("coverage", "Gini", "emerging")
_NOTE = "In brackets the 95 % interval, bootstrapped over users. Coverage: share of creators in one slate at least. Emerging: share of slate places."


def evaluation_page(found: Evaluation) -> str:
    """One HTML document with tables, plots and what of the promises holds."""
    sections = [
        ("known", "Known creators", join([tag("p", _NOTE), _plots(found.main, ("NDCG@20", "Recall@500")), _rows(found.main, _SHARES)])),
        ("cold", "Cold creators", _cold(found)),
        ("compared", "Compared, paired by user", _gains(found)),
    ]
    if found.sweep:
        sections.append(
            ("candidates", "Candidates", join([tag("div", counts_curve("NDCG@20 of the slate by candidates", found.sweep), class_="plots")]))
        )
    sections.append(("promises", "Promises", _claims(claims(found))))
    sections.append(("measured", "What was measured", facts("Counts", [(name, _fact(value)) for name, value in found.facts.items()])))
    return document(f"Slates of bundle {found.facts['bundle']}", [tag("p", "Judged by listens that training never saw.", class_="soft")], sections)


def _cold(found: Evaluation) -> Markup:
    return join(
        [
            tag("p", "Creators of whom training had no listen at all, only content."),
            tag(
                "div",
                dots("Recall@50 among all creators", _series(found.cold, "Recall@50")),
                dots("Recall@50 among the cold ones", _series(found.cold_only, "Recall@50")),
                class_="plots",
            ),
            tag("h3", "Ranked among all creators"),
            _rows(found.cold, ("emerging",)),
            tag("h3", "Ranked among the cold ones"),
            _rows(found.cold_only, ()),
        ]
    )


def _plots(rows: Sequence[Row], metrics: Sequence[str]) -> Markup:
    return tag("div", *(dots(metric, _series(rows, metric)) for metric in metrics), class_="plots")


def _series(rows: Sequence[Row], metric: str) -> list[tuple[str, Interval, bool]]:
    return [(row.name, row.intervals[metric], row.name in OURS) for row in rows if metric in row.intervals]


def _rows(rows: Sequence[Row], shares: Sequence[str]) -> Markup:
    lines: list[list[Content]] = [
        [
            tag("strong" if row.name in OURS else "span", row.name, class_="name"),
            *(_cell(row.intervals[metric]) if metric in row.intervals else "-" for metric in _METRICS),
            *(f"{row.shares[name]:.3f}" if name in row.shares else "-" for name in shares),
        ]
        for row in rows
    ]
    headings = ("method", *_METRICS, *shares)
    return table("Methods", headings, lines, numbers=frozenset(range(1, len(headings))))


def _gains(found: Evaluation) -> Markup:
    return table("Differences", ("what", "difference"), [(name, _cell(one)) for name, one in found.gains.items()], numbers=frozenset({1}))


def _claims(checked: Sequence[Claim]) -> Markup:
    return table("Checked", ("promise", ""), [(claim.text, "holds" if claim.holds else "fails") for claim in checked])


def _fact(value: int | float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.1e}"


def _cell(one: Interval) -> str:
    return f"{one.mean:.4f} ({one.low:.4f} to {one.high:.4f})"
