"""Draws requests: the same seed gives the same ones, whatever the server answers (but for the ids of the pages seen)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from earshot.v1 import recommendation_service_pb2 as rpc
from earshot.v1 import types_pb2 as types
from loadtest.world import World

# Shares of calls. A service asks mostly for a first page; the rest is there to keep every path of the server in the load.
MARKET_SHARE = 0.25
TIER_SHARE = 0.10
NEXT_PAGE_SHARE = 0.15
DIAGNOSTIC_SHARE = 0.10  # enough for the stages' percentiles, little enough that the answers stay what clients get
PAGE_SIZES = (20, 20, 20, 50)
DEADLINES_S = (0.25, 0.25, 0.25, 0.1)  # a quarter of the calls are in a hurry; the server's own default is 0.2


@dataclass(frozen=True, slots=True)
class Drawn:
    """One call to make. `kind` names it in reports; `hidden_ids` must not come back."""

    kind: str
    request: rpc.RecommendCreatorsRequest
    deadline_s: float
    hidden_ids: frozenset[str] = frozenset()


class RequestDrawer:
    """What one caller asks, call after call. Not thread-safe: one for each caller."""

    def __init__(self, world: World, seed: int, caller: int) -> None:
        self._world = world
        self._random = Random(f"{seed}/{caller}")  # noqa: S311 - load, not secrets
        self._caller, self._call_count = caller, 0

    def draw(self, last_user_id: str = "", last_page: Sequence[str] = ()) -> Drawn:
        """The next call. With `last_page`, the ids last shown to `last_user_id`, some calls ask for the page after it."""
        draw = self._random
        user_id, kind_at = draw.choice(self._world.user_ids), draw.random()
        request = rpc.RecommendCreatorsRequest(
            request_id=f"load-{self._caller}-{self._call_count}",
            user=rpc.User(user_id=user_id),
            page_size=draw.choice(PAGE_SIZES),
            view=rpc.RESPONSE_VIEW_DIAGNOSTIC if draw.random() < DIAGNOSTIC_SHARE else rpc.RESPONSE_VIEW_BASIC,
        )
        self._call_count += 1
        self._set_context(request)
        deadline_s = draw.choice(DEADLINES_S)
        kind = self._set_filter(request, kind_at, bool(last_page))
        if kind == "next page":
            request.user.user_id = last_user_id
            request.filter.seen_creator_ids.extend(last_page)
        return Drawn(kind, request, deadline_s, frozenset(request.filter.seen_creator_ids))

    def gap_s(self, calls_per_s: float) -> float:
        """The time from one call to the next of a caller who comes at random moments, `calls_per_s` in the mean."""
        return self._random.expovariate(calls_per_s)

    def _set_context(self, request: rpc.RecommendCreatorsRequest) -> None:
        if self._world.activities:
            request.context_features["hour"].CopyFrom(types.FeatureValue(number=self._random.randrange(24)))
            request.context_features["activity"].CopyFrom(types.FeatureValue(text=self._random.choice(self._world.activities)))

    def _set_filter(self, request: rpc.RecommendCreatorsRequest, kind_at: float, has_page: bool) -> str:
        """The name of the kind that the number in [0, 1) stands for, its filter set; "first page" where that kind is not possible."""
        if kind_at < MARKET_SHARE and self._world.markets:
            request.filter.market = self._random.choice(self._world.markets)
            return "market"
        if MARKET_SHARE <= kind_at < MARKET_SHARE + TIER_SHARE and self._world.tiers:
            request.filter.tiers.append(self._random.choice(self._world.tiers))
            return "tier"
        if MARKET_SHARE + TIER_SHARE <= kind_at < MARKET_SHARE + TIER_SHARE + NEXT_PAGE_SHARE and has_page:
            return "next page"
        return "first page"
