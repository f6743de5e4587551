"""`earshot demo`: build the demo bundle and serve it."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from importlib import resources
from pathlib import Path

from bundle.open import read_manifest
from cli import serve
from cli.program import program
from cli.progress import ConsoleProgress
from demo.files import EMERGING_TIER, SAMPLE_USER_ID, SPACE, DemoFiles, demo_files

BUILDERS = ("domain", "bundle", "retrieval", "ranking", "engine")  # whose code decides what a bundle holds


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags: those of serving, without the bundle, which is the demo's."""
    parser = subparsers.add_parser(
        "demo",
        help="build the demo bundle and serve it",
        description="Build the bundle of the demo world, once, and serve it.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to keep the bundle (default: a folder of its own in the user's cache)")
    parser.add_argument("--build-only", action="store_true", help="build the bundle, print its path, and do not serve it")
    serve.add_setting_flags(parser, without=frozenset({"bundle", "bundles"}))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build unless it is there already, then serve until stopped."""
    files = demo_files()
    out = getattr(args, "out", None) or _cached(files)
    if not out.exists():
        _build(files, out)
    if getattr(args, "build_only", False):
        print(out)
        return 0
    read_manifest(out)  # what is no bundle is refused before anything is promised
    print(f"ask it, in another terminal:\n  {program()} query --user-id {SAMPLE_USER_ID}", file=sys.stderr)
    args.bundle = str(out)
    return serve.run(args)


def _build(files: DemoFiles, out: Path) -> None:
    from engine.build import BuildOptions, build  # noqa: PLC0415 - only the first run builds; the others need not wait for the imports

    out.parent.mkdir(parents=True, exist_ok=True)
    options = BuildOptions(
        creators=files.creators,
        users=files.users,
        ranker=files.ranker,
        binding=files.binding,
        expected=files.expected,
        out=out,
        bundle_version="demo",
        space=SPACE,
        emerging_tiers=(EMERGING_TIER,),
        threads=1,  # hnswlib builds the same graph every time only with one thread; 4,000 creators take a second
    )
    with ConsoleProgress() as progress:
        build(options, progress)


def _cached(files: DemoFiles) -> Path:
    """A place that changes with the demo's files and with the code that builds bundles, so that no bundle of another world or format is served."""
    digest = hashlib.sha256()
    inputs = (files.creators, files.users, files.ranker, files.binding, files.expected)
    for file in (*inputs, *(source for package in BUILDERS for source in sorted(Path(str(resources.files(package))).glob("*.py")))):
        digest.update(file.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "earshot" / f"demo-{digest.hexdigest()[:12]}"
