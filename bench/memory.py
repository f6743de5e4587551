"""`python -m bench.memory`: what a large catalogue takes. Peak memory of a build, and how the memory of a server grows with its workers.

Proportional set size (PSS) divides every shared page by the number of processes that share it, so the sum over the process tree is what the
machine really gives. Measured after a few thousand requests, when every worker has touched what it will touch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.cpu import tree_of
from bench.data import World, write_inputs
from bench.question import CANDIDATE_COUNT, PAGE_SIZE, user_id
from bench.servers import ServedConfig, served
from earshot.client import RecommendationClient
from earshot.v1 import recommendation_service_pb2 as pb

REQUEST_COUNT = 4000
CONNECTION_COUNT = 16  # enough that every worker gets several


def main() -> int:
    """Build, serve with 1 and with 4 workers, print and write JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description="Memory of a build, and of a server by its workers.")
    parser.add_argument("--creators", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--workers", type=int, nargs=2, default=(1, 4), metavar="N", help="the two numbers that are compared")
    parser.add_argument("--data", type=Path, default=Path("out/bench"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("out/bench-memory.json"), metavar="F")
    args = parser.parse_args()
    world = World("clustered", args.creators)
    directory = args.data / world.key
    facts: dict[str, object] = {"creators": args.creators, **_build(world, directory)}
    pss_mb = {count: _serve(directory / "bundle", count, args.data / "logs") for count in args.workers}
    few, many = args.workers
    facts |= {"pss_mb": pss_mb, "ratio": round(pss_mb[many] / pss_mb[few], 3)}
    console = Console()
    console.print_json(json.dumps(facts))
    console.print(f"{many} workers take {facts['ratio']}x the proportional memory of {few} (target: below 1.5x)")
    args.out.write_text(json.dumps(facts, indent=2))
    return 0


def _build(world: World, directory: Path) -> dict[str, object]:
    """Build with the command, unless the bundle is there; seconds and peak memory of the process."""
    inputs, bundle = directory / "inputs", directory / "bundle"
    if bundle.exists():
        return {"build": "was there already"}
    if not inputs.exists():
        inputs.mkdir(parents=True)
        write_inputs(world, inputs)
    files = {"creators": "creators.parquet", "users": "users.parquet", "ranker": "ranker.onnx", "binding": "binding.toml"}
    flags = [part for flag, name in files.items() for part in (f"--{flag}", str(inputs / name))]
    started_s = time.monotonic()
    pid = _spawn([*flags, "--candidates", str(CANDIDATE_COUNT), "--out", str(bundle)])
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"earshot build ended with status {status}")
    return {"build_s": round(time.monotonic() - started_s, 1), "build_peak_gib": round(used.ru_maxrss / 2**20, 2)}


def _spawn(flags: Sequence[str]) -> int:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen([sys.executable, "-m", "cli", "build", *flags], env=environment).pid


def _serve(bundle: Path, worker_count: int, logs: Path) -> float:
    """Megabytes of the process tree after the requests."""
    logs.mkdir(parents=True, exist_ok=True)
    with (
        served(bundle, ServedConfig(worker_count), logs) as target,
        RecommendationClient(target.address, connection_count=CONNECTION_COUNT) as client,
    ):
        for number in range(REQUEST_COUNT):
            user = pb.User(user_id=user_id(number % World("clustered").user_count))
            client.recommend(pb.RecommendCreatorsRequest(user=user, page_size=PAGE_SIZE, candidate_count=CANDIDATE_COUNT), timeout_s=10)
        return round(sum(_pss_kb(pid) for pid in tree_of(target.pid)) / 1e3, 1)


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    sys.exit(main())
