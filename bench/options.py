"""What `python -m bench` can be told."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from bench.data import World
from bench.figures import MOST_OF_TUNED
from bench.servers import ServedConfig
from bench.vectors import SETS

CONTESTANTS = ("raw", "engine", "served", "typical", "tuned", "floor")
RANKERS = tuple(MOST_OF_TUNED)
QUICK = {"creators": 50_000, "requests": 1_200, "rounds": 3}
FULL = {"creators": 200_000, "requests": 10_000, "rounds": 5}


@dataclass(frozen=True, slots=True)
class Options:
    """One run. request_count: per contestant and level, spread over the rounds."""

    worlds: tuple[World, ...]
    contestants: tuple[str, ...]
    levels: tuple[int, ...]
    request_count: int
    round_count: int
    served: ServedConfig
    data: Path
    out: Path
    rebuild: bool
    engine_only: bool
    profile: bool

    @property
    def block_size(self) -> int:
        """Requests per block, rounded up."""
        return -(-self.request_count // self.round_count)


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; exits with a usage message when it is wrong."""
    told = _parser().parse_args(arguments)
    sizes = QUICK if told.quick else FULL
    creator_count = told.creators or sizes["creators"]
    return Options(
        worlds=tuple(World(name, creator_count, told.users, told.seed, told.ranker, told.narrow) for name in told.sets),
        contestants=tuple(name for name in CONTESTANTS if name in told.contestants),
        levels=tuple(told.levels),
        request_count=told.requests or sizes["requests"],
        round_count=told.rounds or sizes["rounds"],
        served=ServedConfig(told.workers, told.threads),
        data=told.data,
        out=told.out,
        rebuild=told.rebuild,
        engine_only=told.engine_only,
        profile=told.profile,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help=f"a smaller run of about two minutes: {QUICK}; the full one: {FULL}")
    add("--engine-only", action="store_true", help="raw compute and engine side by side in this process, with stage times; no servers")
    add("--profile", action="store_true", help="where the Python time of the engine and of a served worker goes (cProfile); no figures")
    add("--requests", type=_count, metavar="N", help="per contestant and level")
    add("--rounds", type=_count, metavar="N", help="how many interleaved rounds they are spread over")
    add("--ranker", choices=RANKERS, default=RANKERS[0], help="which one is served, as exported or as built (mlp)")
    add("--narrow", action="store_true", help="build it with tables in float16 and layers in int8; its order is judged by NDCG")
    add("--creators", type=_count, metavar="N")
    add("--users", type=_count, default=2_000, metavar="N", help="distinct listed users, all of them asked for (2000)")
    add("--levels", type=_counts, default=[1, 4, 16], metavar="N,N", help="requests in flight (1,4,16)")
    add("--sets", type=_names(SETS), default=list(SETS), metavar="S,S", help=f"of {', '.join(SETS)}")
    add("--contestants", type=_names(CONTESTANTS), default=list(CONTESTANTS), metavar="C,C", help=f"of {', '.join(CONTESTANTS)}")
    add("--workers", type=_count, default=2, metavar="N", help="of the served path (2)")
    add("--threads", type=_count, default=4, metavar="N", help="per worker of the served path (4)")
    add("--seed", type=int, default=7, metavar="N")
    add("--data", type=Path, default=Path("out/bench"), metavar="DIR", help="where data and bundles are kept between runs (out/bench)")
    add("--rebuild", action="store_true", help="build the bundles anew: after a change of the bundle's format or of the ranker's compilation")
    add("--out", type=Path, default=Path("out/bench-results.json"), metavar="FILE", help="out/bench-results.json")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _names(allowed: Collection[str]) -> Callable[[str], list[str]]:
    def listed(text: str) -> list[str]:
        unknown = [name for name in text.split(",") if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(allowed)}")
        return text.split(",")

    return listed
