"""`earshot train`: listening data in; the files that `earshot build` takes, and a record of how they came to be, out."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cli.exit_codes import ExitCode
from cli.progress import ConsoleProgress
from domain.arrays import BoolArray
from domain.errors import ConfigurationError
from domain.listens import Listens, SideTables

if TYPE_CHECKING:
    from training.carried import Carried
    from training.pipeline import TrainingOptions

CHOICES = ("content", "id-dropout", "log-q")
"""What training can do without: all tags; ids that drop out at random; the correction for who is famous."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    parser = subparsers.add_parser("train", help="listening data -> the files for build", description="Train two towers and a ranker (extra train).")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--lastfm", type=Path, metavar="DIR", help="the HetRec 2011 Last.fm files")
    source.add_argument("--listens", type=Path, metavar="F", help="parquet or CSV: user_id, creator_id, and any of count, time, context.*")
    parser.add_argument(
        "--creators",
        type=Path,
        metavar="F",
        help="with --listens: parquet or CSV of creator_id, and any of name, tags, markets, tier, labels, create_time and features",
    )
    parser.add_argument(
        "--users", type=Path, metavar="F", help="with --listens: parquet or CSV of user_id, and any of friends, followed and features"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run directory; must not exist")
    parser.add_argument(
        "--hold-out", choices=("protocol", "nothing"), default="protocol", help="nothing: train on everything, to serve; cannot be evaluated"
    )
    parser.add_argument("--dimensions", type=int, default=192, metavar="N", help="of the embeddings, at most (default: %(default)s)")
    parser.add_argument(
        "--candidates", type=int, default=300, metavar="N", help="per slate to learn from, as serving retrieves (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything that is drawn (default: %(default)s)")
    parser.add_argument("--without", action="append", default=[], choices=CHOICES, help="undo a choice, to see what it bought; repeatable")
    parser.add_argument("--name-words", action="store_true", help="let the towers read the words of creators' names")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="threads; as many give the same files (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Hold out by the protocol of evaluation, train on the rest, write the run directory."""
    if args.lastfm and (args.creators or args.users):
        raise ConfigurationError("--creators and --users go with --listens; the Last.fm files bring their own")
    if args.seed < 0 or args.threads < 1:
        raise ConfigurationError(f"--seed {args.seed} must not be negative, --threads {args.threads} must be above 0")
    if args.dimensions < 8 or args.candidates < 20:
        raise ConfigurationError(f"--dimensions {args.dimensions} must be at least 8, --candidates {args.candidates} at least 20")
    try:
        import torch  # noqa: PLC0415 - seconds to import, and only here
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - likewise
    except ImportError as missing:
        raise ConfigurationError(f"training needs {missing.name}, which is not installed; `make train-lastfm` installs it") from missing
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    with threadpool_limits(args.threads):
        _train(args)
    return ExitCode.OK


def _train(args: argparse.Namespace) -> None:
    from evaluation.protocol import cold_creators, hold_out, hold_out_tags  # noqa: PLC0415 - as above
    from evaluation.split import Split, write_split  # noqa: PLC0415 - as above
    from training.pipeline import train  # noqa: PLC0415 - as above
    from training.run import RunInputs, make_run_directory, write_run  # noqa: PLC0415 - as above

    listens, side, carried = _read(args)
    make_run_directory(args.out)
    kept, held_out, cold = (*hold_out(listens), cold_creators(listens)) if args.hold_out == "protocol" else _all_of(listens)
    allowed = hold_out_tags(held_out, side)
    if "content" in args.without:
        allowed = allowed.where_tags(allowed.tags < 0)
    options = _options(args)
    with ConsoleProgress() as progress:
        trained = train(kept, allowed, options, progress)
    metrics = write_run(args.out, trained, RunInputs(kept, allowed, cold, carried), options)
    if args.hold_out == "protocol":
        write_split(args.out, Split(kept, held_out, cold, allowed))
    print(f"trained on {len(kept):,} listens; {len(held_out):,} were held out and not looked at")
    for what, name in (("NDCG@20 of known creators", "inner_ndcg"), ("Recall@50 of new ones", "inner_new_recall")):
        print(f"{what} on inner folds: similarity order {metrics[f'{name}_of_similarity']:.4f}, ranker {metrics[f'{name}_of_ranker']:.4f}")
    print("objective: " + ", ".join(f"{head} {weight:g}" for head, weight in metrics["objective"].items()))
    print(
        f"next: earshot build --space ip --creators {args.out}/creators.parquet --users {args.out}/users.parquet --ranker {args.out}/ranker.onnx ..."
    )


def _options(args: argparse.Namespace) -> TrainingOptions:
    from training.fit_towers import TowerOptions  # noqa: PLC0415 - as above
    from training.pipeline import TrainingOptions  # noqa: PLC0415 - as above
    from training.sizes import Sizes  # noqa: PLC0415 - as above

    towers = TowerOptions()
    if "id-dropout" in args.without:
        towers = replace(towers, id_dropout=0.0)
    if "log-q" in args.without:
        towers = replace(towers, log_q=False)
    return TrainingOptions(seed=args.seed, candidates=args.candidates, sizes=Sizes.of(args.dimensions), towers=towers, name_words=args.name_words)


def _all_of(listens: Listens) -> tuple[Listens, Listens, BoolArray]:
    """(kept, held out, cold) when nothing is held out."""
    return listens, listens.where(np.zeros(len(listens), np.bool_)), np.zeros(len(listens.creator_ids), np.bool_)


def _read(args: argparse.Namespace) -> tuple[Listens, SideTables, Carried]:
    from training.carried import Carried, carried_columns  # noqa: PLC0415 - as above
    from training.lastfm import read_lastfm  # noqa: PLC0415 - as above
    from training.tables import TableFiles, read_tables  # noqa: PLC0415 - as above

    if args.lastfm:
        return *read_lastfm(args.lastfm), Carried()
    files = TableFiles(args.listens, args.creators, args.users)
    listens, side = read_tables(files)
    return listens, side, carried_columns(files, listens)
