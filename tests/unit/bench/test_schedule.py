from collections import Counter
from itertools import pairwise, permutations

import numpy as np

from bench.schedule import Turn, turns, users_of

NAMES = ("raw", "served", "tuned")


def test_every_contestant_runs_once_per_round_and_level() -> None:
    counts = Counter(turns(5, [1, 4], NAMES))
    assert counts == Counter(Turn(number, level, name) for number in range(5) for level in (1, 4) for name in NAMES)


def test_a_round_and_level_is_finished_before_the_next_begins() -> None:
    groups = [(turn.round, turn.in_flight) for turn in turns(3, [1, 4], NAMES)]
    assert groups == [group for group in dict.fromkeys(groups) for _ in NAMES]


def test_over_a_full_rotation_everybody_runs_first_and_last_equally_often() -> None:
    order = [turn.contestant for turn in turns(2 * len(NAMES), [1], NAMES)]
    assert Counter(order[:: len(NAMES)]) == dict.fromkeys(NAMES, 2)
    assert Counter(order[len(NAMES) - 1 :: len(NAMES)]) == dict.fromkeys(NAMES, 2)


def test_all_contestants_of_a_group_ask_for_the_same_users_in_the_same_order() -> None:
    asked = [users_of(Turn(2, 4, name), 100, 60, seed=7) for name in NAMES]
    assert all(np.array_equal(asked[0], other) for other in asked)


def test_nobody_comes_twice_before_everybody_has_come() -> None:
    rows = users_of(Turn(0, 1, "raw"), 100, 250, seed=7)
    assert len(rows) == 250
    assert all(len(set(part)) == len(part) for part in (rows[:100], rows[100:200], rows[200:]))
    assert set(rows[:100]) == set(range(100))


def test_rounds_and_seeds_differ() -> None:
    first = users_of(Turn(0, 1, "raw"), 1000, 1000, seed=7)
    assert not np.array_equal(first, users_of(Turn(1, 1, "raw"), 1000, 1000, seed=7))
    assert not np.array_equal(first, users_of(Turn(0, 1, "raw"), 1000, 1000, seed=8))


def test_nobody_always_follows_the_same_neighbour() -> None:
    order = [turn.contestant for turn in turns(2 * len(NAMES), [1], NAMES)]
    groups = [order[start : start + len(NAMES)] for start in range(0, len(order), len(NAMES))]
    follows = {pair for group in groups for pair in pairwise(group)}
    assert follows == set(permutations(NAMES, 2))
