"""What child processes tell: JSON lines through a pipe, each written in one piece."""

from __future__ import annotations

import json
import os
from typing import Any

Report = dict[str, Any]
MAX_BYTES = 4096  # PIPE_BUF: longer writes of several processes may mix


def send(fd: int, report: Report) -> None:
    """Write one report. A reader that has gone is no error: whoever is left finds that out by itself."""
    line = json.dumps(report).encode() + b"\n"
    if len(line) > MAX_BYTES:
        line = json.dumps({**report, "text": str(report.get("text", ""))[:1000]}).encode() + b"\n"
    try:
        os.write(fd, line)
    except BrokenPipeError:
        return


class ReportReader:
    """Takes reports out of a non-blocking pipe. `ended` once every writer has closed it."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.ended = False
        self._rest = b""

    def read(self) -> list[Report]:
        """The reports that have arrived."""
        while not self.ended:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            self.ended = not data
            self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close the reading end."""
        os.close(self.fd)
