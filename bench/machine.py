"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
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


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
