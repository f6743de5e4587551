"""Signals as something that `select` can wait for."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable, Sequence
from types import FrameType


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """A handler must exist for the number to be written to the wake-up descriptor."""


class Wakeups:
    """Turns signals into numbers that `wait` returns. Only one at a time, in the main thread."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = frozenset(signals)
        self._reader, writer = os.pipe()
        for fd in (self._reader, writer):
            os.set_blocking(fd, False)
        self._writer = writer
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, _ignore)

    def wait(self, fds: Sequence[int], timeout_s: float | None) -> tuple[list[signal.Signals], list[int]]:
        """Signals that arrived, and which of `fds` can be read; both empty after the timeout."""
        readable, _, _ = select.select([self._reader, *fds], [], [], timeout_s)
        numbers: list[signal.Signals] = []
        if self._reader in readable:
            readable.remove(self._reader)
            numbers = [signal.Signals(n) for n in os.read(self._reader, 4096)]
        return [n for n in numbers if n in self._signals], readable

    def close(self) -> None:
        """Stop listening; signals take their default action again."""
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
