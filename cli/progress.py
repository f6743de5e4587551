"""How long work shows itself: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_INTERVAL_S = 5.0  # a log that is read later needs no more


class ConsoleProgress:
    """A domain Progress on stderr. A context manager; one thread at a time."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        console = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console) if console.is_terminal and not quiet else None
        self._bar: TaskID | None = None
        self._task, self._total, self._done = "", 0, 0
        self._printed_s = 0.0

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def start(self, task: str, total: int) -> None:
        """Begin a task of `total` units, ending the one before."""
        self._task, self._total, self._done = task, total, 0
        if self._bars is not None:
            self._bar = self._bars.add_task(task, total=total)
        self._print()

    def advance(self, done: int) -> None:
        """`done` more units are finished."""
        self._done += done
        if self._bars is not None and self._bar is not None:
            self._bars.advance(self._bar, done)
        elif self._done >= self._total or time.monotonic() - self._printed_s >= LINE_INTERVAL_S:
            self._print()

    def _print(self) -> None:
        if self._bars is None and not self._quiet:
            self._printed_s = time.monotonic()
            print(f"{self._task}: {self._done:,} of {self._total:,}", file=sys.stderr, flush=True)
