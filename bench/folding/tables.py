"""`python -m bench.folding.tables`: what it takes to compile a ranker for a large catalogue, its tables included. Exit code 1 when it takes longer or
more memory than a build may."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.folding.catalogue import ensure_catalogue
from bench.folding.contestants import Built, build_ranker
from bench.rankers.shapes import SHAPES
from bench.servers import environment
from cli.progress import ConsoleProgress

MOST_S, MOST_GIB = 60.0, 8.0
"""For 1,000,000 creators on two cores."""


def main() -> int:
    """Draw the catalogue, then compile in a process of its own, whose peak memory is that of the work."""
    options = _parser().parse_args()
    if options.alone:
        _compile(options.shape, options.creators, options.data)
        return 0
    with ConsoleProgress() as progress:
        ensure_catalogue(options.creators, (options.shape,), options.data, progress)
    started_s = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "bench.folding.tables", *sys.argv[1:], "--alone"], env=environment())
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"compiling ended with status {child.returncode}")
    spent_s, peak_gib = time.monotonic() - started_s, used.ru_maxrss / 2**20
    met = spent_s < MOST_S and peak_gib < MOST_GIB
    print(
        f"{spent_s:.1f} s (below {MOST_S:g}) with {used.ru_utime + used.ru_stime:.1f} s of CPU; peak memory {peak_gib:.2f} GiB (below {MOST_GIB:g})"
    )
    return 0 if met else 1


def _compile(shape: str, creator_count: int, data: Path) -> None:
    directory = data / "folding-rankers" / f"{shape}-{creator_count}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with ConsoleProgress() as progress:
        catalogue = ensure_catalogue(creator_count, (shape,), data, progress)
        _tell(build_ranker(SHAPES[shape], catalogue, directory, progress, time.thread_time), creator_count)
    shutil.rmtree(directory)


def _tell(built: Built, creator_count: int) -> None:
    size_gib = built.bytes_per_creator * creator_count / 2**30
    print(f"{built.shape.title}, {creator_count:,} creators: {built.description.form}, {built.bytes_per_creator:,} bytes each, {size_gib:.2f} GiB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.folding.tables", description=__doc__)
    add = parser.add_argument
    add("--creators", type=int, default=1_000_000, metavar="N")
    add("--shape", choices=SHAPES, default="two-towers")
    add("--data", type=Path, default=Path("out/bench"), metavar="DIR", help="where the catalogue is kept between runs (out/bench)")
    add("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
