"""The plots of an evaluation as PNG files, for documents. The HTML report draws its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.errors import ConfigurationError, OutputNotWritable
from evaluation.bootstrap import Interval
from evaluation.result import OURS, Evaluation, Row

_OURS, _OTHERS = "#0b5cad", "#8a8f96"
_DPI = 110


def write_pictures(found: Evaluation, directory: Path) -> list[Path]:
    """Write quality-known.png, quality-cold.png and, where candidates were swept, quality-candidates.png. Returns the files.

    Raises ConfigurationError without matplotlib, OutputNotWritable.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - the extra `train` has it
    except ImportError as problem:
        raise ConfigurationError("--pictures needs matplotlib; install the extra `train`") from problem
    drawn = {"quality-known.png": _known(Figure(figsize=(8.0, 3.6)), found), "quality-cold.png": _cold(Figure(figsize=(8.0, 2.6)), found)}
    if found.sweep:
        drawn["quality-candidates.png"] = _sweep(Figure(figsize=(8.0, 3.2)), found.sweep)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, figure in drawn.items():
            figure.savefig(directory / name, dpi=_DPI, metadata={"Software": None})
    except OSError as problem:
        raise OutputNotWritable(directory, f"cannot be written ({problem.strerror}); name another directory") from problem
    return [directory / name for name in drawn]


def _known(figure: Any, found: Evaluation) -> Any:
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, found.main, "NDCG@20")
    _dots(right, found.main, "Recall@20")
    figure.tight_layout()
    return figure


def _cold(figure: Any, found: Evaluation) -> Any:
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, found.cold, "Recall@50", "Recall@50 among all creators")
    _dots(right, found.cold_only, "Recall@50", "Recall@50 among the cold ones")
    figure.tight_layout()
    return figure


def _dots(axes: Any, rows: Sequence[Row], metric: str, title: str = "") -> None:
    """Means with intervals, from zero on, the first row at the top."""
    shown = [row for row in rows if metric in row.intervals][::-1]
    for place, row in enumerate(shown):
        one, color = row.intervals[metric], _OURS if row.name in OURS else _OTHERS
        axes.plot([one.low, one.high], [place, place], color=color)
        axes.plot([one.mean], [place], "o", color=color)
    axes.set_yticks(range(len(shown)), [row.name for row in shown])
    axes.set_xlim(left=0.0)
    axes.set_title(title or metric, fontsize=10)
    axes.grid(axis="x", alpha=0.3)


def _sweep(figure: Any, points: Sequence[tuple[int, Interval]]) -> Any:
    axes = figure.subplots()
    counts, means = [count for count, _ in points], [one.mean for _, one in points]
    axes.fill_between(counts, [one.low for _, one in points], [one.high for _, one in points], color=_OURS, alpha=0.15)
    axes.plot(counts, means, "o-", color=_OURS)
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.set_xlabel("candidates")
    axes.set_title("NDCG@20 of the slate, with its 95 % interval over users", fontsize=10)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    return figure
