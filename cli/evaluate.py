"""`earshot evaluate`: how good are the slates of a bundle, judged by what its training never saw."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.exit_codes import ExitCode
from cli.progress import ConsoleProgress
from domain.errors import ConfigurationError, OutputNotWritable, StageFailure
from domain.request import MAX_CANDIDATE_COUNT
from domain.slate import Stage

if TYPE_CHECKING:
    from engine.budget_curve import BudgetCurve
    from evaluation.bootstrap import Interval
    from evaluation.portrait import Portrait
    from evaluation.result import Evaluation, Row

_MARKS = "* listened to, and held out from training   ° emerging: without a listen in training"
_WIDE = 160  # columns where there is no terminal: a table that is cut cannot be read from a log


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    parser = subparsers.add_parser(
        "evaluate",
        help="how good its slates are, beside baselines",
        description="Judge a bundle by the listens that its training never saw, through the real engine, beside tuned baselines.",
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle, built from the run")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", dest="run_directory", help="the run directory that `earshot train` wrote")
    parser.add_argument("--baselines", default="tuned", metavar="F", help="settings of the baselines, TOML; tuned: those shipped; none: no baselines")
    parser.add_argument("--candidates", default="", metavar="N,N", help="measure slates of so many candidates too, for a curve")
    parser.add_argument("--listener", metavar="ID", help="also show, by name, what this listener plays and what the slate shows")
    parser.add_argument("--without-exhaustive", action="store_true", help="leave out exhaustive ranking, which takes most of the time")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, metavar="N", help="users asked at a time (default: %(default)s)")
    parser.add_argument("--least-ndcg", type=float, metavar="X", help="NDCG@20 that the slate must reach")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a promise does not hold")
    output = parser.add_argument_group("output")
    output.add_argument("--html", type=Path, metavar="F", help="write a report with plots, one HTML file that works offline")
    output.add_argument("--json", type=Path, metavar="F", help="write all figures")
    output.add_argument("--budget-curve", type=Path, metavar="F", help="write what ranking fewer candidates costs, by their number, as JSON")
    output.add_argument("--markdown", type=Path, metavar="F", help="fill the measured blocks of this page")
    output.add_argument("--pictures", type=Path, metavar="DIR", help="write the plots as PNG files, for documents")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables, write what was asked for."""
    counts = _counts(args.candidates)
    if args.threads < 1:
        raise ConfigurationError(f"--threads {args.threads} must be at least 1")
    found, portrait, curve = _evaluate(args, counts)
    from evaluation.claims import claims  # noqa: PLC0415 - keeps `earshot --help` quick

    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    _print(found, console)
    if portrait is not None:
        _print_portrait(portrait, console)
    _write(args, found)
    if curve is not None:
        _print_curve(curve, console)
        _put(args.budget_curve, json.dumps(curve.to_json(), indent=1) + "\n")
    checked = claims(found, args.least_ndcg)
    for claim in checked:
        print(f"{'holds' if claim.holds else 'FAILS'}: {claim.text}")
    return ExitCode.FAILURE if args.check and not all(claim.holds for claim in checked) else ExitCode.OK


def _evaluate(args: argparse.Namespace, counts: tuple[int, ...]) -> tuple[Evaluation, Portrait | None, BudgetCurve | None]:
    from engine.open import StartOptions, prepare  # noqa: PLC0415 - brings hnswlib and onnxruntime; `earshot --help` should not
    from evaluation.baselines.settings import read_settings  # noqa: PLC0415 - as above
    from evaluation.budget import budget_curve  # noqa: PLC0415 - as above
    from evaluation.evaluate import EvaluationOptions, evaluate  # noqa: PLC0415 - as above
    from evaluation.portrait import portray  # noqa: PLC0415 - as above
    from evaluation.split import read_split  # noqa: PLC0415 - as above

    settings = None if args.baselines == "none" else read_settings(None if args.baselines == "tuned" else Path(args.baselines))
    split = read_split(args.run_directory)
    expected = args.run_directory / "expected.parquet"
    with ConsoleProgress(quiet=False) as progress:
        engine = prepare(args.bundle, progress).start(StartOptions(), time.monotonic, _refuse_fallback)
        options = EvaluationOptions(settings, counts, expected if expected.exists() else None, args.threads, not args.without_exhaustive)
        portrait = portray(engine, split, args.listener) if args.listener else None
        curve = budget_curve(engine, split, args.threads, progress) if args.budget_curve else None
        return evaluate(engine, split, options, progress), portrait, curve


def _refuse_fallback(stage: Stage, failure: Exception) -> None:
    """What fell back is not what is to be measured."""
    raise StageFailure(f"{stage.name.lower()} failed: {failure}") from failure


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise ConfigurationError(f"--candidates {text} must be numbers separated by commas, for instance 100,200,500") from None
    for count in counts:
        if not 20 <= count <= MAX_CANDIDATE_COUNT:
            raise ConfigurationError(f"--candidates {count} must be between 20, the length of a slate, and {MAX_CANDIDATE_COUNT}")
    return counts


def _write(args: argparse.Namespace, found: Evaluation) -> None:
    from evaluation.markdown import blocks, fill  # noqa: PLC0415 - keeps `earshot --help` quick

    if args.json is not None:
        _put(args.json, found.to_json())
    if args.html is not None:
        from cli.report.evaluation import evaluation_page  # noqa: PLC0415 - as above

        _put(args.html, evaluation_page(found))
    pictures = _draw(args.pictures, found) if args.pictures is not None else []
    if args.markdown is not None:
        filling = blocks(found)
        if pictures:
            filling["pictures"] = "".join(f"![{file.stem.replace('-', ' ')}]({os.path.relpath(file, args.markdown.parent)})\n\n" for file in pictures)
        _put(args.markdown, fill(_text_of(args.markdown), filling))


def _draw(directory: Path, found: Evaluation) -> list[Path]:
    from evaluation.pictures import write_pictures  # noqa: PLC0415 - brings matplotlib

    return write_pictures(found, directory)


def _text_of(page: Path) -> str:
    try:
        return page.read_text("utf-8")
    except OSError as problem:
        raise OutputNotWritable(page, f"cannot be read ({problem.strerror}); name a page with measured blocks") from problem


def _put(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as problem:
        raise OutputNotWritable(file, f"cannot be written ({problem.strerror}); name another file") from problem
    print(f"wrote {file}")


def _print(found: Evaluation, console: Console) -> None:
    facts = Table(title="evaluation", title_justify="left", show_header=False)
    for name, value in found.facts.items():
        facts.add_row(name, f"{value:.2g}" if isinstance(value, float) else str(value))
    console.print(facts)
    metrics, shares = ("NDCG@20", "Recall@20", "Recall@50", "Recall@500"), ("coverage", "Gini", "emerging")
    console.print(_table("held-out listens of known creators", found.main, metrics, shares))
    console.print(_table("cold creators, ranked among all", found.cold, ("Recall@50", "Recall@20", "NDCG@20"), ()))
    console.print(_table("cold creators, ranked among the cold", found.cold_only, ("Recall@50", "Recall@20", "NDCG@20"), ()))
    for count, one in found.sweep:
        console.print(f"{count:,} candidates: NDCG@20 {_cell(one)}", highlight=False)
    for name, gain in found.gains.items():
        console.print(f"{name}: {_cell(gain)}", highlight=False, soft_wrap=True)


def _print_curve(curve: BudgetCurve, console: Console) -> None:
    table = Table("ranked", title=f"NDCG@20 of the cut slate against the full one, {curve.user_count:,} users", title_justify="left")
    table.add_column("NDCG@20", justify="right")
    for count, value in zip(curve.counts, curve.ndcg, strict=True):
        table.add_row(f"{count:,}", f"{value:.4f}")
    console.print(table)


def _print_portrait(portrait: Portrait, console: Console) -> None:
    table = Table("most played", "the slate", title=f"listener {portrait.user_id}", title_justify="left")
    for played, shown in itertools.zip_longest(portrait.played, portrait.shown):
        marks = "" if shown is None else "*" * shown.listened + "°" * shown.emerging
        table.add_row(escape(played or ""), "" if shown is None else escape(f"{shown.name} {marks}".rstrip()))
    console.print(table)
    console.print(_MARKS, highlight=False)


def _table(title: str, rows: tuple[Row, ...], metrics: tuple[str, ...], shares: tuple[str, ...]) -> Table:
    table = Table("method", title=title, title_justify="left")
    for name in (*metrics, *shares):
        table.add_column(name, justify="right")
    for row in rows:
        cells = [_cell(row.intervals[name]) if name in row.intervals else "-" for name in metrics]
        table.add_row(row.name, *cells, *(f"{row.shares[name]:.3f}" for name in shares))
    return table


def _cell(one: Interval) -> str:
    return f"{one.mean:.4f} ± {(one.high - one.low) / 2:.4f}"
