from __future__ import annotations

import numpy as np
import pytest

from domain.listens import Listens, SideTables, no_side_tables


def listens(users: list[int], creators: list[int], counts: list[float]) -> Listens:
    return Listens(("u0", "u1"), ("c0", "c1", "c2"), np.array(users), np.array(creators), np.array(counts, np.float32))


def test_a_part_keeps_the_codes_and_everybody_who_is_known() -> None:
    part = listens([0, 1, 1], [2, 0, 1], [5, 1, 2]).where(np.array([True, False, True]))
    assert part.users.tolist() == [0, 1]
    assert part.creators.tolist() == [2, 1]
    assert part.counts.tolist() == [5, 2]
    assert part.creator_ids == ("c0", "c1", "c2")


def test_a_code_without_an_id_is_refused_with_its_value() -> None:
    with pytest.raises(ValueError, match="creators goes from 0 to 3"):
        listens([0, 1], [0, 3], [1, 1])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        listens([0, 1], [0, 1], [1])


def test_dropped_tags_take_their_times_with_them() -> None:
    side = SideTables(("a", "b"), ("rock",), np.array([0, 1]), np.array([0, 1]), np.array([0, 0]), np.empty((0, 2), np.int64), np.array([7, 9]))
    part = side.where_tags(np.array([False, True]))
    assert part.tag_users.tolist() == [1]
    assert part.tag_times_s is not None
    assert part.tag_times_s.tolist() == [9]


def test_nothing_known_is_a_side_table_too() -> None:
    assert no_side_tables(3).names == ("", "", "")
