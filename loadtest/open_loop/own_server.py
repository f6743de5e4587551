"""A server of the generator's own: the demo, as a process that ends with the run."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_TIMEOUT_S = 120.0  # the first start builds the demo's bundle
STOP_TIMEOUT_S = 10.0


class NoServer(Exception):
    """The server did not come up. The message has what it said last."""


@contextmanager
def demo_server(earshot: Path, *words: str) -> Iterator[tuple[str, int]]:
    """(target, pid) of `earshot demo` on free ports, with these options. Raises NoServer."""
    with tempfile.TemporaryDirectory() as folder:
        ready, log = Path(folder, "ready.json"), Path(folder, "log")
        ports = ("--port", "0", "--control-port", "0", "--metrics-port", "0")
        with log.open("w", encoding="utf-8") as said:
            process = subprocess.Popen([earshot, "demo", *ports, "--ready-file", str(ready), *words], stdout=said, stderr=said)  # noqa: S603 - ours
        try:
            yield f"127.0.0.1:{_port(process, ready, log)}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            finally:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], ready: Path, log: Path) -> int:
    give_up_s = time.monotonic() + READY_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > give_up_s:
            lines = log.read_text(encoding="utf-8").strip().splitlines()
            raise NoServer(f"the demo server did not start: {lines[-1] if lines else 'it said nothing'}")
        time.sleep(0.05)
    return int(json.loads(ready.read_text(encoding="utf-8"))["port"])
