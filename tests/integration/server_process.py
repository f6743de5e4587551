"""`earshot serve` as a process of its own, for tests: started on free ports, waited for, stopped, and checked to leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import grpc

from earshot.v1 import bundle_service_pb2, bundle_service_pb2_grpc, recommendation_service_pb2_grpc

ROOT = Path(__file__).parents[2]
MAIN = "import sys; from cli.main import main; sys.exit(main())"


def environment() -> dict[str, str]:
    """This process's, without settings of Earshot's own that a developer may have set for the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")}
    return {**clean, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "gen", "client"))}


def run_command(*arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """One `earshot` command, to its end."""
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=timeout_s, check=False)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, timeout_s: float, what: str) -> float:
    """Seconds until `condition()` was true; AssertionError after the timeout."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise AssertionError(f"waited {timeout_s} s in vain until {what}")
        time.sleep(0.01)
    return time.monotonic() - started


class ServerProcess:
    """A context manager. Its log is kept in `log`."""

    def __init__(self, directory: Path, *arguments: str, workers: int = 2) -> None:
        self.ready_file = directory / "ready.json"
        self.log = directory / "log"
        ports = ["--port", "0", "--control-port", "0", "--metrics-port", "0"]
        command = [sys.executable, "-c", MAIN, "serve", *ports, "--workers", str(workers), "--ready-file", str(self.ready_file), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment(), stderr=log, stdout=log)
        self.facts: dict = {}
        self.channels: list[grpc.Channel] = []

    def __enter__(self) -> ServerProcess:
        wait_until(lambda: self.ready_file.exists() or self.process.poll() is not None, 20, "the server is ready")
        assert self.process.poll() is None, self.log.read_text()
        self.facts = json.loads(self.ready_file.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self.channels:
            channel.close()
        group = self.group()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
        wait_until(lambda: not any(map(alive, group)), 5, "no process is left")

    @property
    def target(self) -> str:
        """Of the data plane."""
        return f"127.0.0.1:{self.facts['port']}"

    @property
    def control_target(self) -> str:
        """Of the control plane."""
        return f"127.0.0.1:{self.facts['control_port']}"

    def channel(self, target: str | None = None, **options: int) -> grpc.Channel:
        """A channel with a connection of its own."""
        pairs = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *((f"grpc.{k}", v) for k, v in options.items())]
        self.channels.append(grpc.insecure_channel(target or self.target, pairs))
        return self.channels[-1]

    def recommend(self):
        """The method, on a connection of its own."""
        return recommendation_service_pb2_grpc.RecommendationServiceStub(self.channel()).RecommendCreators

    def status(self):
        """GetServingStatus, now."""
        with grpc.insecure_channel(self.control_target) as channel:
            return bundle_service_pb2_grpc.BundleServiceStub(channel).GetServingStatus(bundle_service_pb2.GetServingStatusRequest(), timeout=5)

    def serving_pids(self) -> list[int]:
        """The workers that take calls."""
        return [worker.pid for worker in self.status().workers if worker.serving]

    def group(self) -> list[int]:
        """All processes of the server that live now."""
        found, seen = [self.process.pid], 0
        while seen < len(found):
            for task in Path(f"/proc/{found[seen]}/task").glob("*/children"):
                try:
                    found += map(int, task.read_text().split())
                except OSError:
                    continue
            seen += 1
        return found

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.facts['metrics_port']}/metrics", timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def signal(self, number: signal.Signals) -> None:
        """Signal the control process."""
        self.process.send_signal(number)
