"""`earshot verify`: is this bundle whole, and does it still answer as it did at build?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cli.exit_codes import ExitCode
from cli.progress import ConsoleProgress


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    parser = subparsers.add_parser("verify", help="digests, structure, golden requests", description="Prove a bundle as a worker would.")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's directory")
    parser.add_argument("--provider", choices=("cpu", "cuda", "auto"), default="cpu", help="execution provider of the ranker (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify, and say so."""
    from engine.verify import verify  # noqa: PLC0415 - hnswlib and onnxruntime take time to import; `earshot --help` should not

    with ConsoleProgress(quiet=args.json) as progress:
        bundle = verify(args.bundle, args.provider, progress)
    if args.json:
        print(json.dumps({"bundle": str(args.bundle), "version": bundle.manifest.version, "digest": bundle.digest, "ok": True}))
    else:
        print(f"{args.bundle}: ok, version {bundle.manifest.version}, digest {bundle.digest}")
    return ExitCode.OK
