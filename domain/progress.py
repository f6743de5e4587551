"""Progress that nobody watches."""

from __future__ import annotations


class SilentProgress:
    """A Progress that draws nothing: the fallback where no one looks."""

    def start(self, task: str, total: int) -> None:
        """Begin a task."""

    def advance(self, done: int) -> None:
        """Units are finished."""


SILENT = SilentProgress()
