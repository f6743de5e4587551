"""`python -m evaluation.ablations`: what each choice bought, from the evaluations of runs that differ in one choice, filled into a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.markdown import ablations, fill
from evaluation.result import SLATE, Evaluation, read_evaluation


def main() -> None:
    """Read the evaluations, print their table, fill it into the page."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.ablations", description="One line per evaluation: what each choice bought.")
    parser.add_argument("evaluations", nargs="+", metavar="NAME=F", help="what the line is called, and what `earshot evaluate --json` wrote")
    parser.add_argument("--markdown", type=Path, metavar="F", help="fill the block `ablations` of this page")
    args = parser.parse_args()
    try:
        named = dict(_named(one) for one in args.evaluations)
        table = ablations(named, SLATE)
        if args.markdown:
            args.markdown.write_text(fill(args.markdown.read_text("utf-8"), {"ablations": table}), "utf-8")
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    print(table, end="")


def _named(argument: str) -> tuple[str, Evaluation]:
    name, equals, file = argument.partition("=")
    if not equals:
        raise ValueError(f'"{argument}" is not NAME=F; write for instance "no content=no-content.json"')
    return name, read_evaluation(Path(file).read_text("utf-8"))


if __name__ == "__main__":
    main()
