"""What one request may show: market, tiers, excluded, seen and followed creators."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.arrays import AnyArray, BoolArray, ByteArray, RowArray
from domain.candidates import Candidates, RemovalReason, Removed
from domain.columns import Creators
from domain.request import CandidateFilter, User
from retrieval.id_table import IdTable

OVERFETCH = 1.2
"""Room in `reach` for chance: creators near a listener are allowed a little less often than all creators. When it does not suffice, the retriever
asks again."""

NARROW = 16
"""A market of less than the catalogue divided by this is looked through row by row; beyond it, bits for all rows are cheaper."""

MAX_TIERS = 256
"""Tier codes are uint8."""


@dataclass(frozen=True, slots=True)
class MarketRule:
    """Only creators of one market. bitmap: uint8 [ceil(N / 8)], bit r (little) set for the allowed; rows: the same, int64 ascending."""

    bitmap: ByteArray
    rows: RowArray

    def allows(self, rows: RowArray) -> BoolArray:
        """Per row, whether its bit is set."""
        allowed: BoolArray = (self.bitmap[rows >> 3] >> (rows & 7).astype(np.uint8) & 1).astype(np.bool_)
        return allowed

    def mask(self, creator_count: int) -> BoolArray:
        """The same for all rows: bool [N], the caller's own."""
        return np.unpackbits(self.bitmap, count=creator_count, bitorder="little").view(np.bool_)


@dataclass(frozen=True, slots=True)
class TierRule:
    """Only creators of some tiers. codes: uint8 [N]; allowed: bool [256] by code; count: how many creators are allowed."""

    codes: ByteArray
    allowed: BoolArray
    count: int

    def allows(self, rows: RowArray) -> BoolArray:
        """Per row, whether its tier is wanted."""
        return self.allowed[self.codes[rows]]


class CatalogueRestriction:
    """A Restriction over the catalogue of one bundle. Made once per request and used by its thread alone (`denied` is computed on first use).

    Each test looks at the candidates only; without any restriction it costs about a microsecond.
    """

    def __init__(self, creator_count: int, market: MarketRule | None, tiers: TierRule | None, denied: dict[RemovalReason, RowArray]) -> None:
        """denied: int64 rows in any order, not empty, for EXCLUDED, SEEN and FOLLOWED, in this order; absent where there are none."""
        self._creator_count, self._market, self._tiers, self._denied = creator_count, market, tiers, denied
        self._restricts = market is not None or tiers is not None or bool(denied)

    @property
    def restricts(self) -> bool:
        """False when the whole catalogue may be shown."""
        return self._restricts

    @cached_property
    def denied(self) -> RowArray:
        """Rows that are denied one by one: int64, ascending, each once."""
        if not self._denied:
            return np.empty(0, np.int64)
        rows = np.sort(np.concatenate(list(self._denied.values())))
        first = np.ones(len(rows), np.bool_)
        np.not_equal(rows[1:], rows[:-1], out=first[1:])
        return rows[first]

    def allows(self, rows: RowArray) -> BoolArray:
        """Per row, whether it may be shown: bool, aligned with `rows`."""
        allowed = np.ones(len(rows), np.bool_)
        if self._market is not None:
            allowed &= self._market.allows(rows)
        if self._tiers is not None:
            allowed &= self._tiers.allows(rows)
        if self._denied:
            allowed &= ~_among(rows, self.denied)
        return allowed

    def split(self, candidates: Candidates) -> tuple[Candidates, Removed]:
        """(kept, removed), with the first reason that applies."""
        if not self._restricts:
            return candidates, Removed.none()
        removed = ~self.allows(candidates.rows)
        if not removed.any():
            return candidates, Removed.none()
        rows = candidates.rows[removed]
        return candidates.take(~removed), Removed(rows, self._reasons(rows))

    def allowed_rows(self) -> RowArray | None:
        """All rows that may be shown, int64 ascending; None when that is the whole catalogue. Costs time with the catalogue's size, but for a market
        of few creators."""
        if not self._restricts:
            return None
        if self._market is not None and self._tiers is None and not self._denied:
            return self._market.rows
        if self._market is not None and len(self._market.rows) * NARROW < self._creator_count:
            return self._market.rows[self.allows(self._market.rows)]
        return np.flatnonzero(self._mask())

    def allowed_mask(self) -> BoolArray | None:
        """The same as bits: bool [N]; None when that is the whole catalogue."""
        return self._mask() if self._restricts else None

    def _mask(self) -> BoolArray:
        mask = np.ones(self._creator_count, np.bool_) if self._market is None else self._market.mask(self._creator_count)
        if self._tiers is not None:
            mask &= self._tiers.allowed[self._tiers.codes]
        for rows in self._denied.values():
            mask[rows] = False
        return mask

    def allowed_count(self) -> int:
        """About how many rows may be shown, taking market and tier to be independent."""
        return max(0, math.ceil(self._creator_count * self._share()) - len(self.denied)) if self._restricts else self._creator_count

    def reach(self, count: int) -> int:
        """About how many of the most similar creators hold `count` that may be shown, should all denied ones be among them."""
        if not self._restricts:
            return count
        wanted, share = count + len(self.denied), self._share()
        if share >= 1.0:
            return wanted
        return min(self._creator_count, math.ceil(wanted * OVERFETCH / share)) if share > 0.0 else self._creator_count

    def _share(self) -> float:
        total = max(1, self._creator_count)
        market = len(self._market.rows) / total if self._market is not None else 1.0
        return market * (self._tiers.count / total if self._tiers is not None else 1.0)

    def _reasons(self, rows: RowArray) -> ByteArray:
        """Why each of these rows, none of which is allowed, is removed. Written from the last reason to the first, so that the first one stays."""
        reasons = np.zeros(len(rows), np.uint8)
        for reason, denied in reversed(self._denied.items()):
            reasons[np.isin(rows, denied)] = reason
        if self._tiers is not None:
            reasons[~self._tiers.allows(rows)] = RemovalReason.TIER
        if self._market is not None:
            reasons[~self._market.allows(rows)] = RemovalReason.MARKET
        return reasons


class Restrictor:
    """Turns the wishes of requests into restrictions over one catalogue. Immutable, safe from any thread."""

    def __init__(self, creators: Creators) -> None:
        self._creators, self._ids = creators, IdTable(creators)
        # Plain arrays: indexing a memory map through its own class costs a microsecond more each time.
        self._bitmaps = None if creators.markets is None else np.asarray(creators.markets.bitmaps)
        self._everywhere = None if creators.markets is None else np.asarray(creators.markets.everywhere)
        self._tier_codes = None if creators.tiers is None else np.asarray(creators.tiers)
        self._tier_counts = _tier_counts(self._tier_codes, len(creators))

    def restrict(self, wanted: CandidateFilter, user: User) -> CatalogueRestriction:
        """The rows that one request may show. Ids that are no creators restrict nothing."""
        denied: dict[RemovalReason, RowArray] = {}
        for reason, creator_ids in ((RemovalReason.EXCLUDED, wanted.excluded_ids), (RemovalReason.SEEN, wanted.seen_ids)):
            rows = self._ids.rows_of(creator_ids) if creator_ids else ()
            if len(rows):
                denied[reason] = np.asarray(rows)
        if len(user.followed) and not wanted.include_followed:
            denied[RemovalReason.FOLLOWED] = np.asarray(user.followed)
        return CatalogueRestriction(len(self._creators), self._market(wanted.market), self._tiers(wanted.tiers), denied)

    def _market(self, market: str) -> MarketRule | None:
        markets = self._creators.markets
        if not market or markets is None or self._bitmaps is None or self._everywhere is None:
            return None
        place = markets.codes.get(market)
        if place is None:
            return MarketRule(self._everywhere, np.asarray(markets.everywhere_rows))
        return MarketRule(self._bitmaps[place], np.asarray(markets.rows[place]))

    def _tiers(self, tiers: tuple[str, ...]) -> TierRule | None:
        if not tiers:
            return None
        codes = self._tier_codes
        if codes is None:  # without a tier column every creator has the tier ""
            return None if "" in tiers else TierRule(np.broadcast_to(np.uint8(0), len(self._creators)), np.zeros(MAX_TIERS, np.bool_), 0)
        allowed = np.zeros(MAX_TIERS, np.bool_)
        allowed[[code for code, name in enumerate(self._creators.tier_names) if name in tiers]] = True
        return TierRule(codes, allowed, int(self._tier_counts[allowed].sum()))


def _tier_counts(codes: AnyArray | None, creator_count: int) -> RowArray:
    return np.bincount(codes if codes is not None else np.zeros(creator_count, np.uint8), minlength=MAX_TIERS)


def _among(rows: RowArray, ascending: RowArray) -> BoolArray:
    """Per row, whether it is in `ascending` (not empty)."""
    places = np.minimum(np.searchsorted(ascending, rows), len(ascending) - 1)
    found: BoolArray = ascending[places] == rows
    return found
