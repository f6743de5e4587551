"""What commands have measured so far, part by part, in a file: whoever is interrupted goes on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def write_atomically(file: Path, text: str) -> None:
    """The whole text or the old file, whenever this process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


class Parts:
    """JSON values by name, each with the settings under which it was measured; a part of other settings is as good as none. Not thread-safe.

    file: written after every part.
    """

    def __init__(self, file: Path, settings: Mapping[str, object]) -> None:
        self._file, self._settings = file, dict(settings)
        self._all: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def __contains__(self, name: str) -> bool:
        return name in self._all and self._all[name]["settings"] == self._settings

    def get(self, name: str) -> Any:
        """The value; None where it is not there."""
        return self._all[name]["value"] if name in self else None

    def keep(self, name: str, value: Any) -> None:
        """Write it down, with all others."""
        self._all[name] = {"settings": self._settings, "value": value}
        write_atomically(self._file, json.dumps(self._all))

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """The value; measured and kept where it is not there."""
        if name not in self:
            self.keep(name, measure())
        return self.get(name)
