"""How many creators have each tier, market and label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.layout import LABEL_NAMES, LABELS
from bundle.open_tables import NAME_SPEC, open_sequence
from bundle.table import read_table
from domain.arrays import AnyArray
from domain.columns import ColumnKind, ColumnSpec, Creators

_LABEL_SPEC = ColumnSpec("labels", ColumnKind.SEQUENCE, "int64", 0)
_BLOCK = 1 << 20
_MOST_LABELS = 30  # a million are allowed; a page shows the frequent ones


@dataclass(frozen=True, slots=True)
class Groups:
    """Names with their numbers of creators, counted over all rows; None where the bundle has no such column.

    tiers: the empty name for none, in the order of codes. markets: creators available there, those available everywhere included; everywhere_count:
    these alone. labels: the most frequent first, label_count of them in all. named_count: creators with a name.
    """

    tiers: tuple[tuple[str, int], ...] | None
    markets: tuple[tuple[str, int], ...] | None
    everywhere_count: int
    labels: tuple[tuple[str, int], ...] | None
    label_count: int
    named_count: int | None


def creator_groups(table: Path, creators: Creators) -> Groups:
    """Count the creators in `table`, the folder that they were opened from."""
    markets = None
    if creators.markets is not None:
        markets = tuple((name, len(creators.markets.rows[code])) for name, code in creators.markets.codes.items())
    labels = _labels(table, len(creators))
    return Groups(
        tiers=None if creators.tiers is None else _tiers(creators.tiers, creators.tier_names),
        markets=markets,
        everywhere_count=len(creators) if creators.markets is None else len(creators.markets.everywhere_rows),
        labels=None if labels is None else labels[:_MOST_LABELS],
        label_count=len(labels or ()),
        named_count=None if creators.names is None or creators.names.offsets is None else int(np.count_nonzero(np.diff(creators.names.offsets))),
    )


def _tiers(codes: AnyArray, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    return tuple(zip(names, _count(codes, len(names)).tolist(), strict=True))


def _labels(table: Path, creator_count: int) -> tuple[tuple[str, int], ...] | None:
    if not read_table(table).labelled:
        return None
    codes = open_sequence(table / LABELS, _LABEL_SPEC, creator_count).values
    offsets = np.load(table / f"{LABEL_NAMES}.offsets.npy", mmap_mode="r", allow_pickle=False)
    names = open_sequence(table / LABEL_NAMES, NAME_SPEC, len(offsets) - 1)
    counts = _count(codes, len(names.offsets) - 1 if names.offsets is not None else 0)
    order = np.argsort(-counts, kind="stable")
    return tuple((_text(names.at(code)), int(counts[code])) for code in order.tolist())


def _count(codes: AnyArray, code_count: int) -> AnyArray:
    """How often each code below `code_count` occurs; labels are not among the tables that `check_tables` reads, so others are passed over."""
    counts = np.zeros(code_count, np.int64)
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        counts += np.bincount(block[(block >= 0) & (block < code_count)], minlength=code_count)
    return counts


def _text(value: object) -> str:
    return np.asarray(value).tobytes().decode(errors="replace")
