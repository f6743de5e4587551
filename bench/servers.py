"""Starts the contestants that are servers, each as it would be started by hand, and ends them again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.load import Target

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class ServedConfig:
    """How Earshot itself is started. words: further settings, as flags. core: the one that all its processes keep to; None: any."""

    worker_count: int = 2
    thread_count: int = 4
    words: tuple[str, ...] = ()
    core: int | None = None


@contextmanager
def plain_server(module: str, bundle: Path, ranker: str, log_directory: Path) -> Iterator[Target]:
    """`python -m <module> BUNDLE PORT RANKER` while the context lasts."""
    port = free_port()
    with process([sys.executable, "-m", module, str(bundle), str(port), ranker], port, log_directory / f"{module}.log") as target:
        yield target


@contextmanager
def served(bundle: Path, config: ServedConfig, log_directory: Path) -> Iterator[Target]:
    """`earshot serve` with its defaults: all checks, metrics and logs on; the log goes to a file."""
    port, control_port, metrics_port = free_port(), free_port(), free_port()
    command = [sys.executable, "-m", "cli", "serve", "--bundle", str(bundle)]
    command += ["--port", str(port), "--control-port", str(control_port), "--metrics-port", str(metrics_port)]
    command += ["--workers", str(config.worker_count), "--threads", str(config.thread_count), *config.words]
    with process(on_core(config.core, command), port, log_directory / "served.log") as target:
        yield target


def on_core(core: int | None, command: list[str]) -> list[str]:
    """The same command, kept to one core with all that it starts."""
    return command if core is None else ["taskset", "-c", str(core), *command]


@contextmanager
def process(command: list[str], port: int, log: Path) -> Iterator[Target]:
    """A server by its command, from when its port answers until the context ends."""
    with log.open("wb") as sink:
        started = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment(), start_new_session=True)
    try:
        target = Target(f"127.0.0.1:{port}", started.pid)
        _wait_until_ready(target, started, log)
        yield target
    finally:
        _stop(started)


def environment() -> dict[str, str]:
    """Ours, with the import path that this process has: servers run from a checkout as well as installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _wait_until_ready(target: Target, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    with grpc.insecure_channel(target.address) as channel:
        ready = grpc.channel_ready_future(channel)
        while True:
            try:
                ready.result(timeout=0.5)
            except grpc.FutureTimeoutError:
                if process.poll() is not None or time.monotonic() > give_up_s:
                    ready.cancel()
                    raise RuntimeError(f"no server at {target.address} (exit code {process.poll()}); its log ends:\n{_tail(log)}") from None
            else:
                return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else's processes are in it
        process.wait()


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
