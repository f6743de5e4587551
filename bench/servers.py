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
    """How Earshot itself is started."""

    worker_count: int = 2
    thread_count: int = 4


@contextmanager
def plain_server(module: str, bundle: Path, ranker: str, log_directory: Path) -> Iterator[Target]:
    """`python -m <module> BUNDLE PORT RANKER` while the context lasts."""
    port = free_port()
    with _process([sys.executable, "-m", module, str(bundle), str(port), ranker], port, log_directory / f"{module}.log") as target:
        yield target


@contextmanager
def served(bundle: Path, config: ServedConfig, log_directory: Path) -> Iterator[Target]:
    """`earshot serve` with its defaults: all checks, metrics and logs on; the log goes to a file."""
    port, control_port, metrics_port = free_port(), free_port(), free_port()
    command = [sys.executable, "-m", "cli", "serve", "--bundle", str(bundle)]
    command += ["--port", str(port), "--control-port", str(control_port), "--metrics-port", str(metrics_port)]
    command += ["--workers", str(config.worker_count), "--threads", str(config.thread_count)]
    with _process(command, port, log_directory / "served.log") as target:
        yield target


@contextmanager
def _process(command: list[str], port: int, log: Path) -> Iterator[Target]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment(), start_new_session=True)
    try:
        target = Target(f"127.0.0.1:{port}", process.pid)
        _wait_until_ready(target, process, log)
        yield target
    finally:
        _stop(process)


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
