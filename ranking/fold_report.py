"""The report on folding as a bundle holds it, and what it says in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.errors import ArtifactError, ArtifactReason
from ranking.plan import REPORT_FILE

Facts = list[tuple[str, str]]
Rows = list[tuple[str, ...]]


def read_report(directory: Path) -> Mapping[str, Any]:
    """The report of the ranker in `directory`. Raises ArtifactError(MANIFEST_INVALID) when it is no JSON object."""
    path = directory / REPORT_FILE
    try:
        report = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise ArtifactError(path, ArtifactReason.MANIFEST_INVALID, f"is no report ({problem}); build the bundle again") from problem
    if not isinstance(report, dict):
        raise ArtifactError(path, ArtifactReason.MANIFEST_INVALID, "is no report; build the bundle again")
    return report


def facts(report: Mapping[str, Any]) -> Facts:
    """What is worth a line, in order."""
    found: Facts = []
    work = report.get("work")
    if work:
        shares = ((f"{work[f'{side}_share']:.1%}", text) for side, text in _SIDES)
        found.append(("work of one request", f"{work['operations'] / 1e6:,.1f} MFLOP at {report['candidates']} candidates"))
        found.append(("of this", ", ".join(f"{share} {text}" for share, text in shares)))
    found += [("not served in another form because", note) for note in report.get("notes", ())]
    if report.get("bytes_per_creator"):
        sizes = report["bytes_per_creator"]
        found.append(("bytes per creator", f"{sizes['served']:,} in tables of its own; whole {sizes['whole']:,}"))
    layers = report.get("narrowed_layers", ())
    if layers:
        found.append(("layers in int8", ", ".join(f"{layer['depth']} x {layer['width']}" for layer in layers)))
    if "proof" in report:
        found += _proof(report["proof"])
    if report.get("near"):
        found.append(("near ties", f"scores within {report['near']:.2g} of each other, in the order of the whole form"))
    if "measured" in report:
        times = report["measured"]
        text = f"{times['served_ms']:.3f} ms, whole {times['whole_ms']:.3f} ms: {times['whole_to_served']:.2f} times faster"
        found.append((f"measured at build, {times['candidates']} candidates", f"{text} (medians of {times['rounds']} in turns)"))
    return found


_SIDES = (("creator", "depends on creators alone"), ("request", "is needed once per request"), ("candidate", "is left per candidate"))


def _proof(proof: Mapping[str, Any]) -> Facts:
    exact = "bit for bit" if proof["max_absolute"] == 0 else f"at most {proof['max_absolute']:.2g}, {proof['max_relative']:.2g} of their size"
    narrowed = [("NDCG of the narrowed order", f"{proof['mean_ndcg']:.5f} at {proof['top']}")] if proof["narrowed"] else []
    tied = f", {proof['tied_top']} but for ties" if proof["tied_top"] else ""
    return [
        ("proved on", f"{proof['pairs']:,} pairs in {proof['requests']} requests, against the whole form"),
        ("scores differ", exact if proof["max_absolute"] else f"not at all, {exact}"),
        (f"the same best {proof['top']}", f"in {proof['same_top']} of {proof['requests']}{tied}"),
        *narrowed,
    ]


def tables(report: Mapping[str, Any]) -> Rows:
    """(what a table holds, numbers per creator, why it is stored)."""
    return [(one["holds"], f"{one['width']} x {one['dtype']}", one["why"]) for one in report.get("tables", ())]


def joins(report: Mapping[str, Any]) -> Rows:
    """(the step where the sides join, why, operations per candidate from there on, share of the work)."""
    return [
        (f"{one['operator']} {one['output']}", one["why"], f"{one['operations_per_candidate']:,}", f"{one['share']:.1%}")
        for one in report.get("joins", ())
    ]
