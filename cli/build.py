"""`earshot build`: parquet and ONNX in, a bundle out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cli.exit_codes import ExitCode
from cli.program import program
from cli.progress import ConsoleProgress
from domain.errors import ConfigurationError
from domain.request import MAX_CANDIDATE_COUNT

_EPILOG = "What each column may be, what is refused, and how to get there from CSV: docs/bundle.md. How inputs are bound to columns: README.md."
MAX_LABEL_LENGTH = 256  # what a manifest may state


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags of DESIGN section 6."""
    parser = subparsers.add_parser(
        "build", help="parquet + ONNX -> bundle", description="Build a bundle from parquet files and an exported ranker.", epilog=_EPILOG
    )
    inputs = parser.add_argument_group("inputs")
    inputs.add_argument("--creators", type=Path, required=True, metavar="F", help="creators.parquet: creator_id, embedding, features")
    inputs.add_argument("--users", type=Path, metavar="F", help="users.parquet: user_id, embedding, features; without it requests send embeddings")
    inputs.add_argument("--ranker", type=Path, required=True, metavar="F", help="the exported ranker, an ONNX file")
    inputs.add_argument("--binding", type=Path, metavar="F", help="how columns feed the ranker, TOML (default: in the model's metadata)")
    inputs.add_argument("--expected", type=Path, metavar="F", help="parquet of user_id, creator_id, context.*, score: the trainer's own scores")
    inputs.add_argument("--ignore-column", action="append", default=[], metavar="C", help="leave this parquet column out; may be repeated")
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, required=True, metavar="DIR", help="the bundle's directory; must not exist")
    output.add_argument("--bundle-version", default="", metavar="V", help="label of the bundle (default: from the content's digest)")
    output.add_argument("--embedding-space", default="", metavar="ID", help="id of the embedding space (default: the bundle version)")
    output.add_argument(
        "--emerging-tier", action="append", default=[], metavar="T", help="a tier of emerging creators; repeatable (default: emerging)"
    )
    search = parser.add_argument_group("retrieval")
    search.add_argument("--space", choices=("cosine", "ip"), default="cosine", help="similarity of embeddings (default: %(default)s)")
    search.add_argument("--candidates", type=int, default=200, metavar="N", help="candidates that stage 1 hands on (default: %(default)s)")
    search.add_argument("--recall", type=float, default=0.95, metavar="R", help="recall of the index at that many candidates (default: %(default)s)")
    search.add_argument("--index-m", type=int, default=16, metavar="M", help="links per creator in the index (default: %(default)s)")
    search.add_argument("--index-ef-construction", type=int, default=400, metavar="EF", help="effort while building the index (default: %(default)s)")
    ranking = parser.add_argument_group("ranking")
    ranking.add_argument(
        "--narrow", action="store_true", help="tables in float16 and dense layers in int8, where the order of the best stays the same"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest's summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Build, and print what came out."""
    _check(args)
    from engine.build import BuildOptions, build  # noqa: PLC0415 - pyarrow and onnx take a second to import; `earshot --help` should not

    options = BuildOptions(
        creators=args.creators,
        users=args.users,
        ranker=args.ranker,
        binding=args.binding,
        expected=args.expected,
        out=args.out,
        space=args.space,
        embedding_space=args.embedding_space,
        bundle_version=args.bundle_version,
        candidates=args.candidates,
        recall=args.recall,
        emerging_tiers=tuple(args.emerging_tier) or ("emerging",),
        ignored_columns=frozenset(args.ignore_column),
        m=args.index_m,
        ef_construction=args.index_ef_construction,
        narrow=args.narrow,
    )
    with ConsoleProgress(quiet=args.json) as progress:
        manifest = build(options, progress)
    summary = {
        "bundle": str(args.out),
        "version": manifest.version,
        "creators": manifest.creator_count,
        "users": manifest.user_count,
        "dimensions": manifest.dimension_count,
        "candidates": manifest.candidate_count,
        "recall": round(manifest.recall, 4),
        "left_out": list(manifest.left_out),
        "dropped": dict(manifest.dropped),
    }
    if args.json:
        print(json.dumps(summary))
        return ExitCode.OK
    size = f"{manifest.creator_count:,} creators x {manifest.dimension_count}, {manifest.user_count:,} users"
    print(f"built {args.out}: {size}, version {manifest.version}")
    print(f"recall {manifest.recall:.4f} at {manifest.candidate_count} candidates")
    for column in manifest.left_out:
        print(f"left out: {column} (text that the ranker does not read)")
    for name, count in manifest.dropped.items():
        if count:
            print(f"dropped: {count:,} ids of {name} that are no creators")
    print(f"next: {program()} serve --bundle {args.out}")
    return ExitCode.OK


def _check(args: argparse.Namespace) -> None:
    for flag, label in (("--bundle-version", args.bundle_version), ("--embedding-space", args.embedding_space)):
        if not label.isprintable() or len(label) > MAX_LABEL_LENGTH:
            raise ConfigurationError(f"{flag} {label[:80]!r} must be at most {MAX_LABEL_LENGTH} printable characters")
    if not 1 <= args.candidates <= MAX_CANDIDATE_COUNT:
        raise ConfigurationError(f"--candidates {args.candidates} must be between 1 and {MAX_CANDIDATE_COUNT}")
    if not 0.0 < args.recall <= 1.0:
        raise ConfigurationError(f"--recall {args.recall:g} must be above 0 and at most 1")
    if not 2 <= args.index_m <= 128:
        raise ConfigurationError(f"--index-m {args.index_m} must be between 2 and 128")
    if args.index_ef_construction < args.index_m:
        raise ConfigurationError(f"--index-ef-construction {args.index_ef_construction} must be at least --index-m {args.index_m}")
