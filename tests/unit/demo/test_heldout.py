"""NDCG by hand."""

from __future__ import annotations

import math

import pytest

from demo.heldout import ndcg


def test_the_played_ones_first_is_perfect():
    assert ndcg(["a", "b", "c"], {"a", "b"}) == pytest.approx(1.0)


def test_none_of_the_played_ones_is_worth_nothing():
    assert ndcg(["c", "d"], {"a"}) == 0.0


def test_a_later_place_is_discounted_by_the_logarithm():
    assert ndcg(["c", "d", "a"], {"a"}) == pytest.approx(1.0 / math.log2(4))


def test_what_was_played_but_not_shown_counts_against_the_slate():
    assert ndcg(["a"], {"a", "b"}) == pytest.approx(1.0 / (1.0 + 1.0 / math.log2(3)))


def test_only_the_first_places_count():
    assert ndcg([*range(20), "a"], {"a"}) == 0.0
