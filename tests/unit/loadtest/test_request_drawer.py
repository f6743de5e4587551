"""What is asked: the same for the same seed, in the shares that are written down."""

from collections import Counter

import pytest

from earshot.v1 import recommendation_service_pb2 as rpc
from loadtest.request_drawer import DEADLINES_S, DIAGNOSTIC_SHARE, MARKET_SHARE, NEXT_PAGE_SHARE, TIER_SHARE, Drawn, RequestDrawer
from loadtest.world import DEMO, World

_PAGE = ("some-creator", "another-creator")


def _draw(count: int, seed: int = 1, caller: int = 1, world: World = DEMO, page: tuple[str, ...] = _PAGE) -> list[Drawn]:
    drawer = RequestDrawer(world, seed, caller)
    return [drawer.draw("listener-0001", page) for _ in range(count)]


def test_the_same_seed_and_caller_ask_the_same_and_others_do_not() -> None:
    assert _draw(50) == _draw(50)
    users = [[d.request.user.user_id for d in drawn] for drawn in (_draw(50), _draw(50, seed=2), _draw(50, caller=2))]
    assert users[0] != users[1] != users[2] != users[0]


def test_what_is_drawn_next_does_not_depend_on_what_was_answered() -> None:
    with_page, without = _draw(300), _draw(300, page=())
    assert any(drawn.kind == "next page" for drawn in with_page)
    assert [b for a, b in zip(with_page, without, strict=True) if a.kind != "next page"] == [a for a in with_page if a.kind != "next page"]


def test_the_kinds_come_in_their_shares() -> None:
    kinds, count = Counter(drawn.kind for drawn in _draw(4000)), 4000
    shares = {"market": MARKET_SHARE, "tier": TIER_SHARE, "next page": NEXT_PAGE_SHARE}
    shares["first page"] = 1 - sum(shares.values())
    assert {kind: kinds[kind] / count for kind in shares} == pytest.approx(shares, abs=0.03)


def test_a_share_asks_for_diagnostics_and_every_call_has_a_deadline() -> None:
    drawn = _draw(4000)
    diagnostic = sum(d.request.view == rpc.RESPONSE_VIEW_DIAGNOSTIC for d in drawn)
    assert diagnostic / 4000 == pytest.approx(DIAGNOSTIC_SHARE, abs=0.02)
    assert {d.deadline_s for d in drawn} == set(DEADLINES_S)


def test_the_next_page_is_for_the_same_listener_without_what_was_shown() -> None:
    for drawn in (d for d in _draw(300) if d.kind == "next page"):
        assert drawn.request.user.user_id == "listener-0001"
        assert set(drawn.request.filter.seen_creator_ids) == set(_PAGE) == drawn.hidden_ids


def test_no_two_calls_share_an_id() -> None:
    ids = [d.request.request_id for caller in (1, 2, 11) for d in _draw(120, caller=caller)]
    assert len(set(ids)) == len(ids)


def test_of_an_unknown_world_only_the_users_are_asked() -> None:
    drawn = _draw(400, world=World(("ada", "bob")))
    assert {d.kind for d in drawn} == {"first page", "next page"}
    assert not any(d.request.context_features or d.request.filter.market or d.request.filter.tiers for d in drawn)
    assert {d.request.user.user_id for d in drawn} == {"ada", "bob", "listener-0001"}


def test_gaps_between_calls_have_the_mean_that_was_asked() -> None:
    drawer = RequestDrawer(DEMO, 1, 1)
    assert sum(drawer.gap_s(4.0) for _ in range(20_000)) / 20_000 == pytest.approx(0.25, rel=0.03)
