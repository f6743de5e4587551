"""What an evaluation found, as it is kept in a file, printed and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evaluation.bootstrap import Interval

FORMAT = 1

RETRIEVAL, SLATE, EXHAUSTIVE = "retrieval order alone", "two-stage slate", "exhaustive ranking"
RANDOM, POPULARITY, NEIGHBOURS, EASE, ALS, TAGS = "random", "popularity", "item-kNN", "EASE", "implicit ALS", "tag profiles"
OURS = frozenset({RETRIEVAL, SLATE, EXHAUSTIVE})


@dataclass(frozen=True)
class Row:
    """One method. intervals: by metric ("NDCG@20"), only those that the method's ranking is deep enough for. shares: coverage, Gini, emerging."""

    name: str
    intervals: Mapping[str, Interval]
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """facts: counts and names, in the order in which they are shown. main: held-out listens of creators that training knew; cold: those of cold
    creators, ranked among all creators; cold_only: the same, ranked among the cold ones. gains: paired differences, by what they compare.
    sweep: (candidates, NDCG@20 of the slate)."""

    facts: Mapping[str, int | float | str]
    main: tuple[Row, ...]
    cold: tuple[Row, ...]
    cold_only: tuple[Row, ...]
    gains: Mapping[str, Interval]
    sweep: tuple[tuple[int, Interval], ...] = ()

    def to_json(self) -> str:
        """One JSON document, see `read_evaluation`."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read_evaluation(text: str) -> Evaluation:
    """The inverse of `to_json`. Raises ValueError for what is no evaluation of this format."""
    try:
        stored = json.loads(text)
        if stored["format"] != FORMAT:
            raise ValueError(f"the evaluation has format {stored['format']}; this version reads {FORMAT}: evaluate again")
        return Evaluation(
            facts=stored["facts"],
            main=_rows(stored["main"]),
            cold=_rows(stored["cold"]),
            cold_only=_rows(stored["cold_only"]),
            gains={name: Interval(**one) for name, one in stored["gains"].items()},
            sweep=tuple((count, Interval(**one)) for count, one in stored["sweep"]),
        )
    except (KeyError, TypeError) as problem:
        raise ValueError(f"no evaluation: {problem!r} is wrong or absent; write it with `earshot evaluate --json`") from problem


def _rows(stored: Any) -> tuple[Row, ...]:
    return tuple(Row(row["name"], {n: Interval(**i) for n, i in row["intervals"].items()}, row["shares"]) for row in stored)
