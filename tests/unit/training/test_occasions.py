"""Questions that slates are made for, and what was heard before them, against plain loops."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.features import Categories, Numbers
from domain.listens import Listens, Plays, no_side_tables
from training.columns import plan_columns
from training.occasions import NO_CREATOR, SLATE_LIMIT, Histories, occasions_of

USERS, CREATORS, DAY_S = 5, 9, 86_400


def world(rows: list[tuple[int, int, int, int, int]]) -> Listens:
    """rows: (user, creator, time in s, hour, activity code)."""
    users, creators, times, hours, activities = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    pairs, places = np.unique(users * CREATORS + creators, return_inverse=True)
    context = {"hour": Numbers(hours[:, None].astype(np.float32)), "activity": Categories(activities, ("focus", "party"))}
    ids = tuple(map(str, range(USERS))), tuple(map(str, range(CREATORS)))
    return Listens(*ids, pairs // CREATORS, pairs % CREATORS, np.bincount(places).astype(np.float32), plays=Plays(places, times, context))


rows = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, CREATORS - 1), st.integers(0, 3 * DAY_S), st.integers(0, 2), st.integers(0, 2)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_each_user_asks_once_for_each_occasion_of_a_day(rows: list[tuple[int, int, int, int, int]]) -> None:
    listens = world(rows)
    found = occasions_of(listens, plan_columns(listens, no_side_tables(CREATORS)), 1)
    by_hand: dict[tuple[int, int, int, int], set[int]] = {}
    began: dict[tuple[int, int, int, int], int] = {}
    for user, creator, time, hour, activity in rows:
        key = (user, time // DAY_S, hour, activity)
        by_hand.setdefault(key, set()).add(creator)
        began[key] = min(time, began.get(key, time))
    assert found.times_s is not None
    heard = [set(found.wanted[found.wanted[:, 0] == place, 1].tolist()) for place in range(len(found))]
    asked = sorted(zip(found.users.tolist(), found.times_s.tolist(), map(sorted, heard), strict=True))
    assert asked == sorted((key[0], began[key], sorted(creators)) for key, creators in by_hand.items())
    assert found.count_wanted().sum() == len(found.wanted)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 3 * DAY_S))
def test_a_history_is_the_newest_before_the_question_and_nothing_after_it(rows: list[tuple[int, int, int, int, int]], time: int) -> None:
    histories = Histories(world(rows))
    everybody = np.arange(USERS)
    for times, limit in ((np.full(USERS, time), time), (None, 10 * DAY_S)):
        for user, found in enumerate(histories.before(everybody, times, 4)):
            before = sorted((t, row) for row, (u, _, t, _, _) in enumerate(rows) if u == user and t < limit)
            count = min(4, len(before))
            assert (found[count:] == NO_CREATOR).all()
            times_found = sorted(t for t, _ in before)[-count:] if count else []
            possible = [{rows[row][1] for t, row in before if t == one} for one in times_found]  # rows of one second come in any order
            assert all(creator in some for creator, some in zip(found[:count].tolist(), possible, strict=True))


def test_the_newest_stands_last() -> None:
    listens = world([(0, 3, 30, 0, 0), (0, 1, 10, 0, 0), (0, 2, 20, 0, 0), (1, 8, 15, 0, 0)])
    histories = Histories(listens)
    assert histories.before(np.array([0, 1, 2]), None, 2).tolist() == [[2, 3], [8, NO_CREATOR], [NO_CREATOR, NO_CREATOR]]
    assert histories.before(np.array([0, 0]), np.array([30, 10]), 3).tolist() == [[1, 2, NO_CREATOR], [NO_CREATOR] * 3]


def test_without_times_everybodys_history_is_empty() -> None:
    listens = Listens(("a",), ("x",), np.array([0]), np.array([0]), np.ones(1, np.float32))
    assert (Histories(listens).before(np.array([0]), None) == NO_CREATOR).all()


def test_data_that_tells_no_occasions_apart_has_one_question_per_user() -> None:
    listens = Listens(("a", "b"), ("x", "y"), np.array([1, 1, 0]), np.array([0, 1, 1]), np.ones(3, np.float32))
    found = occasions_of(listens, plan_columns(listens, no_side_tables(2)), 1)
    assert found.users.tolist() == [0, 1]
    assert found.count_wanted().tolist() == [1, 2]


def test_some_questions_come_without_their_occasion_and_no_more_than_the_limit_are_asked() -> None:
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    listens = world([(n % USERS, n % CREATORS, start + n * DAY_S, 2, 1) for n in range(SLATE_LIMIT + 500)])
    found = occasions_of(listens, plan_columns(listens, no_side_tables(CREATORS)), 1)
    assert len(found) == SLATE_LIMIT
    assert (found.codes == 0).mean() == pytest.approx(0.1, abs=0.02)
