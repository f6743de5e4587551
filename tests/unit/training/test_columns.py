"""What the ranker reads beside learned vectors, and how it is fed."""

from __future__ import annotations

import numpy as np
import pytest

from domain.features import Categories, Numbers
from domain.listens import Listens, Plays, SideTables, no_side_tables
from training.binding_text import binding_text
from training.columns import CategoryColumn, Columns, plan_columns

NAN = np.nan


def listens(context: dict | None = None, times_s: np.ndarray | None = None) -> Listens:
    plays = None if context is None and times_s is None else Plays(np.array([0, 1]), times_s, context or {})
    return Listens(("a", "b"), ("x", "y", "z"), np.array([0, 1]), np.array([0, 1]), np.ones(2, np.float32), plays=plays)


def side(creators: dict | None = None, users: dict | None = None) -> SideTables:
    nothing = no_side_tables(3)
    return SideTables(
        nothing.names, (), nothing.tag_users, nothing.tag_creators, nothing.tags, nothing.friends,
        creator_features=creators or {}, user_features=users or {},
    )  # fmt: skip


def column(*values: float) -> Numbers:
    return Numbers(np.array(values, np.float32)[:, None])


def test_data_without_columns_has_nothing_to_read() -> None:
    columns = plan_columns(listens(), side())
    assert not columns
    assert columns == Columns()
    assert columns.defaults == {}


def test_long_tails_are_read_as_logarithms_and_nothing_else_is() -> None:
    planned = plan_columns(
        listens(), side({"followers": column(1.0, 10.0, 90_000.0), "energy": column(0.0, 0.1, 1.0), "depth": column(-9.0, 1.0, 900.0)})
    )
    assert {one.full: one.logged for one in planned.creator.numbers} == {"creator.depth": False, "creator.energy": False, "creator.followers": True}


def test_where_nobody_knows_the_middle_stands_in_and_a_flag_says_so() -> None:
    planned = plan_columns(listens(), side({"rate": column(0.2, NAN, 0.9), "age": column(1.0, 2.0, 3.0)}))
    rate = planned.creator.numbers[1]
    assert rate.reads == ["creator.rate", "creator.rate.present"]
    assert planned.defaults == {"creator.rate": pytest.approx(0.55)}
    fed = planned.creator.numbers_of({"rate": column(0.2, NAN, 0.9), "age": column(1.0, 2.0, 3.0)}, 3)
    np.testing.assert_allclose(fed, [[1.0, 0.2, 1.0], [2.0, 0.55, 0.0], [3.0, 0.9, 1.0]], rtol=1e-6)


def test_whole_numbers_have_a_whole_default() -> None:
    planned = plan_columns(listens(), side(users={"age_days": Numbers(np.array([[1.0], [2.0]], np.float32), whole=True)}))
    assert planned.defaults == {"user.age_days": 2.0}


def test_users_and_occasions_need_say_nothing() -> None:
    planned = plan_columns(listens({"hour": column(7.0, 9.0)}), side(users={"vector": Numbers(np.array([[0.0, 1.0], [1.0, 2.0]], np.float32))}))
    assert planned.defaults == {"user.vector": [0.5, 1.5], "context.hour": 8.0}
    np.testing.assert_allclose(planned.context.number_defaults, [[8.0]])


def test_categories_of_one_name_share_their_codes_and_are_compared() -> None:
    creators = {"country": Categories(np.array([1, 2, 0]), ("BR", "SE"))}
    users = {"country": Categories(np.array([1, 1]), ("JP",)), "plan": Categories(np.array([1, 0]), ("free",))}
    planned = plan_columns(listens(), side(creators, users))
    assert planned.creator.categories == (CategoryColumn("creator.country", ("BR", "JP", "SE")),)
    assert planned.matches == [(0, 0)]
    assert planned.code_counts == (4, 4, 2)
    assert planned.creator.codes_of(creators, 3).tolist() == [[1], [3], [0]]
    assert planned.user.codes_of(users, 2).tolist() == [[2, 1], [2, 0]]


def test_a_value_that_nobody_has_is_not_among_the_categories() -> None:
    """What was held out may have brought it."""
    planned = plan_columns(listens({"activity": Categories(np.array([3, 3]), ("commute", "focus", "party"))}), side())
    assert planned.context.categories == (CategoryColumn("context.activity", ("party",)),)


def test_a_history_is_read_where_listens_have_times() -> None:
    assert plan_columns(listens(times_s=np.array([5, 6])), side()).history
    assert not plan_columns(listens({"hour": column(7.0, 9.0)}), side()).history


def test_the_text_of_a_binding_says_what_the_metadata_say() -> None:
    import tomllib

    binding = {
        "version": 1,
        "output": "score",
        "inputs": {"candidates": {"per": "candidate", "columns": ["creator.age", "retrieval.similarity"]}, "history": {"length": 3}},
        "vocabularies": {"user.plan": {"values": ['a "quoted" \\ one', "Zoë"], "first": 1, "unknown": 0}},
        "defaults": {"user.plan": "", "user.age": 0.1, "user.history": [], "user.v": [1.0, -2.5e-7]},
    }
    assert tomllib.loads(binding_text(binding)) == binding
