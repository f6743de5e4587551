"""What is asked: by case a filter for each asker, and which creators that filter allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.filters.world import FEW, Catalogue, far, thin
from bench.question import creator_id
from domain.arrays import BoolArray, RowArray
from earshot.v1 import recommendation_service_pb2 as pb

LISTED = 10_000
"""As many ids as each of the two lists may hold."""

UNFILTERED = "unfiltered"


@dataclass(frozen=True, slots=True)
class Wish:
    """One filter: a market, tiers, rows that are excluded or seen."""

    market: str = ""
    tiers: tuple[str, ...] = ()
    excluded: RowArray | None = None
    seen: RowArray | None = None

    def message(self) -> pb.CandidateFilter:
        """As it crosses the wire."""
        return pb.CandidateFilter(market=self.market, tiers=self.tiers, excluded_creator_ids=_ids(self.excluded), seen_creator_ids=_ids(self.seen))

    def allowed(self, catalogue: Catalogue) -> BoolArray:
        """Which creators it allows: bool [N], in plain NumPy from the inputs."""
        allowed = np.ones(len(catalogue.units), np.bool_)
        if self.market:
            allowed &= catalogue.markets.get(self.market, np.zeros(len(allowed), np.bool_))
        if self.tiers:
            allowed &= np.isin(catalogue.tiers, self.tiers)
        for rows in (self.excluded, self.seen):
            if rows is not None:
                allowed[rows] = False
        return allowed


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. wish: of each asker. gated: whether the latency target applies, with the reason where it does not."""

    name: str
    wish: Callable[[Catalogue, int], Wish]
    ungated: str = ""


def cases() -> list[Case]:
    """All lines, the unfiltered one first."""
    shares = ("half", "tenth", "hundredth", "thousandth")
    return [
        Case(UNFILTERED, lambda _c, _a: Wish()),
        *(Case(f"market, {share} at random", _market(share)) for share in ("everyone", *shares)),
        *(Case(f"market, the farthest {share}", _far(share)) for share in shares),
        Case("market, half, but a tenth of the nearest", lambda _c, asker: Wish(market=thin(asker))),
        *(Case(f"tier, {tier}", _tier(tier)) for tier in ("half", "tenth", "emerging", "thousandth")),
        Case("market half, tier tenth, 100 nearest seen", lambda c, a: Wish("half", ("tenth",), seen=_nearest(c, a, 100))),
        Case("market half, 1,000 nearest seen", lambda c, a: Wish("half", seen=_nearest(c, a, 1000))),
        Case("500 nearest seen", lambda c, a: Wish(seen=_nearest(c, a, 500))),
        Case("20,000 ids at random", _listed_at_random, LONG),
        Case("20,000 nearest ids", lambda c, a: _halves(_nearest(c, a, 2 * LISTED)), LONG),
        Case("20,000 nearest ids, market half, tier half", _everything, LONG),
        Case(f"market of {FEW}", lambda _c, _a: Wish(FEW)),
        Case("market unknown", lambda _c, _a: Wish("nowhere")),
    ]


LONG = "reading 20,000 ids takes longer than answering"


def _market(name: str) -> Callable[[Catalogue, int], Wish]:
    return lambda _catalogue, _asker: Wish(market=name)


def _far(share: str) -> Callable[[Catalogue, int], Wish]:
    return lambda _catalogue, asker: Wish(market=far(asker, share))


def _tier(name: str) -> Callable[[Catalogue, int], Wish]:
    return lambda _catalogue, _asker: Wish(tiers=(name,))


def _listed_at_random(catalogue: Catalogue, asker: int) -> Wish:
    return _halves(np.random.default_rng(asker).choice(len(catalogue.units), min(2 * LISTED, len(catalogue.units) // 2), replace=False))


def _everything(catalogue: Catalogue, asker: int) -> Wish:
    listed = _halves(_nearest(catalogue, asker, 2 * LISTED))
    return Wish("half", ("half",), listed.excluded, listed.seen)


def _halves(rows: RowArray) -> Wish:
    middle = len(rows) // 2
    return Wish(excluded=rows[:middle], seen=rows[middle:])


def _nearest(catalogue: Catalogue, asker: int, count: int) -> RowArray:
    return np.argsort(-(catalogue.units @ catalogue.askers[asker]))[:count]


def _ids(rows: RowArray | None) -> list[str]:
    return [] if rows is None else [creator_id(row) for row in rows.tolist()]
