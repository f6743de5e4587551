"""`python -m bench.folding`: rankers of every shape as built beside the same models whole, at 500 candidates on one core, in turns.

Prints a Markdown table: the exported file over inputs assembled in NumPy, the build's whole form, the form that it serves. Exit code 1 when a shape
misses its target: not slower than whole, as many times faster as is wanted of it, the same pages.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from bench.folding.catalogue import Catalogue, ensure_catalogue
from bench.folding.contestants import Built, build_ranker
from bench.folding.measure import Line, measure
from bench.folding.report import as_json, markdown, problems
from bench.in_process import stay_on_one_core
from bench.machine import load_average, machine_facts
from bench.rankers.shapes import SHAPES
from cli.progress import ConsoleProgress


def main() -> int:
    """Build, measure, print, judge."""
    options = _parser().parse_args()
    facts = {
        **machine_facts(),
        "load_average_before": load_average(),
        "creators": options.creators,
        "requests": options.requests,
        "narrow": options.narrow,
    }
    with ConsoleProgress() as progress:
        catalogue = ensure_catalogue(options.creators, tuple(SHAPES), options.data, progress)
        built = {name: _build(name, catalogue, options, progress) for name in options.shapes}
        stay_on_one_core()
        lines = [measure(name, one, catalogue, options.requests, progress) for name, one in built.items()]
    print(markdown(lines))
    if options.json:
        _write_json(options.json, facts, lines)
    missed = {line.shape.title: told for line in lines if (told := problems(line))}
    for title, told in missed.items():
        print(f"{title}: {'; '.join(told)}", file=sys.stderr)
    return 1 if missed else 0


def _asked(options: argparse.Namespace) -> dict[str, object]:
    return {"creators": options.creators, "requests": options.requests, "narrow": options.narrow}


def _build(name: str, catalogue: Catalogue, options: argparse.Namespace, progress: ConsoleProgress) -> Built:
    """Anew in every run: it is what is measured."""
    directory = options.data / "folding-rankers" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return build_ranker(SHAPES[name], catalogue, directory, progress, time.thread_time, options.narrow)


def _write_json(path: Path, facts: dict[str, object], lines: list[Line]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts, "lines": [as_json(line) for line in lines]}, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.folding", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--requests", type=int, default=300, metavar="N", help="per shape (300); pages are compared in all of them")
    add("--shapes", type=_shapes, default=tuple(SHAPES), metavar="S,S", help=f"of {', '.join(SHAPES)}")
    add("--creators", type=int, default=200_000, metavar="N", help="candidates are drawn from so many (200000)")
    add("--narrow", action="store_true", help="as `earshot build --narrow`: tables in float16, layers in int8; the order is judged by NDCG@20")
    add("--data", type=Path, default=Path("out/bench"), metavar="DIR", help="where the catalogue is kept between runs (out/bench)")
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def _shapes(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in SHAPES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(SHAPES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
