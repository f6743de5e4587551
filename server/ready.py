"""Tells once that everything serves, and on which ports: a log line, and a file for whoever waits for it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from server.group_state import Snapshot
from server.telemetry.logs import log


class Readiness:
    """Announces the first time that all workers serve."""

    def __init__(self, file: Path | None, ports: dict[str, int]) -> None:
        self._file = file
        self._ports = ports
        self._announced = False

    @property
    def announced(self) -> bool:
        """Whether the server has been ready once."""
        return self._announced

    def announce(self, group: Snapshot) -> None:
        """Log the line and write the file in one piece. Without effect after the first time."""
        if self._announced:
            return
        self._announced = True
        facts = {
            **self._ports,
            "pid": os.getpid(),
            "generation_pid": group.generation_pid,
            "workers": [worker.pid for worker in group.workers],
            "bundle_version": (group.active or {}).get("version", ""),
        }
        log(logging.INFO, "ready", **facts)
        if self._file is not None:
            _write(self._file, json.dumps(facts) + "\n")

    def withdraw(self) -> None:
        """Remove the file."""
        if self._file is not None and self._announced:
            with contextlib.suppress(OSError):  # nothing that is ending can do about it
                self._file.unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    """In one piece. A disk that is full must not stop a server that serves."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as problem:
        log(logging.ERROR, "the ready file cannot be written", file=str(file), problem=problem.strerror or str(problem))
