"""`earshot inspect`: what is in a bundle."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.exit_codes import ExitCode
from domain.errors import ArtifactReason


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    parser = subparsers.add_parser("inspect", help="what is in it, recall", description="Show what a bundle holds, without loading its index.")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's directory")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--json", action="store_true", help="print the manifest and the reports on rankers as JSON")
    instead.add_argument("--html", type=Path, metavar="FILE", help="write a report with distributions and plots, one HTML file that works offline")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the manifest for a person, or for a program; or write the report."""
    from engine.blame import blaming  # noqa: PLC0415 - keeps `earshot --help` quick

    with blaming(args.bundle, ArtifactReason.MANIFEST_INVALID, "showing it"):
        return _write_report(args.bundle, args.html) if args.html is not None else _print(args.bundle, args.json)


def _print(bundle: Path, as_json: bool) -> int:
    from bundle.open import open_bundle  # noqa: PLC0415 - keeps `earshot --help` quick
    from ranking.fold_report import read_report  # noqa: PLC0415 - as above

    opened = open_bundle(bundle)
    manifest = opened.manifest
    reports = {name: read_report(bundle / "rankers" / name) for name in manifest.rankers}
    if as_json:
        print(json.dumps({**json.loads((bundle / "manifest.json").read_bytes()), "ranker_reports": reports}, indent=1))
        return ExitCode.OK
    console = Console(markup=False)  # texts of a bundle are shown, not obeyed
    console.print(_table("bundle", _facts(opened.digest, manifest)))
    console.print(_columns(manifest))
    for name, description in manifest.indexes.items():
        console.print(_table(f"index {name}", {k: v for k, v in description.items() if k != "curve"}))
        console.print(_curve(description.get("curve", ())))
    for name, description in manifest.rankers.items():
        console.print(_table(f"ranker {name}", _ranker_facts(description)))
        console.print(_inputs(bundle / "rankers" / name / "binding.json"))
        for table in _folding(reports[name]):
            console.print(table)
    return ExitCode.OK


def _write_report(bundle: Path, out: Path) -> int:
    from cli.report.write import write_report  # noqa: PLC0415 - keeps `earshot --help` quick

    size = write_report(bundle, out)
    print(f"wrote {out}: {size / 1e3:,.0f} kB")
    return ExitCode.OK


def _facts(digest: str, manifest: Any) -> dict[str, object]:
    size = sum(record.size for record in manifest.files.values())
    return {
        "version": manifest.version,
        "digest": digest,
        "embedding space": manifest.embedding_space,
        "creators": f"{manifest.creator_count:,} x {manifest.dimension_count}",
        "users": f"{manifest.user_count:,}",
        "similarity": manifest.space,
        "candidates": manifest.candidate_count,
        "recall": f"{manifest.recall:.4f}",
        "size": f"{size / 1e6:,.1f} MB in {len(manifest.files)} files",
        "left out": ", ".join(manifest.left_out) or "-",
        "dropped": ", ".join(f"{count:,} {name}" for name, count in manifest.dropped.items() if count) or "-",
    }


def _columns(manifest: Any) -> Table:
    table = Table("column", "kind", "dtype", "width", "meaning", title="columns", title_justify="left")
    for side, specs in (("creator", manifest.creator_columns), ("user", manifest.user_columns)):
        for spec in specs:
            table.add_row(f"{side}.{spec.name}", spec.kind, spec.dtype, str(spec.width or "any"), spec.meaning)
    return table


def _ranker_facts(description: Mapping[str, Any]) -> dict[str, object]:
    objective = description.get("objective") or {}
    return {
        "form": description.get("form", "-"),
        "objective": " + ".join(f"{weight:g} {head}" for head, weight in objective.items()) or "a single output",
        "exported by": description.get("details", {}).get("producer") or "-",
        "tables": ", ".join(f"{' x '.join(map(str, table['shape']))} {table['dtype']}" for table in description.get("tables", ())) or "-",
    }


def _inputs(binding: Path) -> Table:
    """What feeds each input of the model, from the binding as it was built in."""
    table = Table("input", "per", "columns", title="what the ranker reads", title_justify="left")
    for name, source in json.loads(binding.read_text(encoding="utf-8"))["inputs"].items():
        length = f" (newest {source['length']})" if source.get("length") else ""
        table.add_row(name, source["per"], ", ".join(source["columns"]) + length)
    return table


def _folding(report: Mapping[str, Any]) -> list[Table]:
    """What folding made of it."""
    from ranking import fold_report  # noqa: PLC0415 - keeps `earshot --help` quick

    stored = Table("table", "per creator", "why", title="what is gathered of creators", title_justify="left")
    for row in fold_report.tables(report):
        stored.add_row(*row)
    joins = Table("step", "why", "operations per candidate behind it", "share", title="where the sides join", title_justify="left")
    for row in fold_report.joins(report):
        joins.add_row(*row)
    return [_table("folding", dict(fold_report.facts(report))), stored, joins]


def _curve(points: Any) -> Table:
    table = Table("effort", "recall", "ms per query", title="recall against effort", title_justify="left")
    for effort, recall, duration_ms in points:
        table.add_row(str(effort), f"{recall:.4f}", f"{duration_ms:.3f}")
    return table


def _table(title: str, facts: Mapping[str, object]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for key, value in facts.items():
        table.add_row(str(key), value if isinstance(value, str) else json.dumps(value))
    return table
