"""The section on an index: recall and time against effort, as the build measured them."""

from __future__ import annotations

from cli.report.markup import Content, Markup, join, tag
from cli.report.plots import Curve, curve
from cli.report.tables import facts, table
from cli.report.words import whole
from retrieval.description import IndexDescription


def index(name: str, found: IndexDescription, asked: float | None) -> Markup:
    """One index. asked: the recall that the build was to reach, where the manifest says so."""
    at = f"{whole(found.candidate_count)} candidates"
    parts = [tag("h3", f"Index {name}")]
    if found.curve:
        recalls = Curve(f"Recall at {at}", [(effort, recall) for effort, recall, _ in found.curve], found.ef, lambda value: f"{value:.4f}", asked)
        times = Curve("Milliseconds per query", [(effort, ms) for effort, _, ms in found.curve], found.ef, lambda value: f"{value:.3f}")
        parts.append(tag("div", *(tag("figure", tag("figcaption", tag("b", one.title)), curve(one)) for one in (recalls, times)), class_="plots"))
        rows = [(whole(effort), f"{recall:.4f}", f"{ms:.3f}") for effort, recall, ms in found.curve]
        caption = "Measured at build: mean recall, and the time of one query on one thread of the machine that built it"
        parts.append(table(caption, ("effort", "recall", "ms"), rows, numbers=frozenset({0, 1, 2})))
    pairs: list[tuple[str, Content]] = [
        ("kind", f"{found.kind}, {found.space}{f' by way of {found.reduction}' if found.reduction else ''}"),
        ("vectors", f"{whole(found.indexed_count)} x {found.padded_dimension_count} (embeddings have {found.dimension_count})"),
        ("creators with the same vector as another, kept beside the index", whole(found.copy_count)),
        ("links per creator (m)", str(found.m)),
        ("effort while building", str(found.ef_construction)),
        (f"effort while serving, at {at}", str(found.ef)),
        *([("effort for fewer", ", ".join(f"{effort} up to {count}" for count, effort in found.fewer))] if found.fewer else []),
        ("recall that may be relied on", f"{found.recall:.4f} (two standard errors below the measured mean)"),
        ("largest norm of an embedding", f"{found.max_norm:.6g}"),
    ]
    return join([*parts, facts("As built", pairs)])
