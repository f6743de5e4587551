"""What the figures were measured on. `python -m bench.machine`: how often each core is taken from a thread that only looks at the clock."""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "onnxruntime", "hnswlib", "grpcio", "protobuf")


def machine_facts() -> dict[str, object]:
    """Processor, cores, kernel and versions; nothing that names the machine or its owner."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
    }


def load_average() -> float:
    """Runnable processes over the last minute: above zero before the start means that the machine is not ours alone."""
    return os.getloadavg()[0]


@dataclass(frozen=True, slots=True)
class Interruptions:
    """Of a thread that looks at the clock all the time, on one core. No answer can be in time more surely than this thread is on its core."""

    per_s: float
    longest_ms: float
    share: float  # of the time

    def __str__(self) -> str:
        what = f"{self.per_s:.1f} interruptions of more than {LONG_S * 1e3:g} ms a second"
        return f"{what}, the longest {self.longest_ms:.1f} ms; {self.share:.2%} of the time"


LONG_S = 0.001


def interruptions(core: int, seconds: float) -> Interruptions:
    """Look at the clock for so long, on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        gaps_s, started_s = [], time.monotonic()
        last_s = started_s
        while last_s < started_s + seconds:
            now_s = time.monotonic()
            if now_s - last_s > LONG_S:
                gaps_s.append(now_s - last_s)
            last_s = now_s
    finally:
        os.sched_setaffinity(0, before)
    return Interruptions(len(gaps_s) / seconds, 1e3 * max(gaps_s, default=0.0), sum(gaps_s) / seconds)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    """Print the facts, and the interruptions of every core, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.machine", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each core (10)")
    told = parser.parse_args()
    for name, value in machine_facts().items():
        print(f"{name}: {value}")
    for core in sorted(os.sched_getaffinity(0)):
        print(f"core {core}: {interruptions(core, told.seconds)}", flush=True)


if __name__ == "__main__":
    main()
