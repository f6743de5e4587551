"""In which order the blocks are run, and which users each asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import RowArray


@dataclass(frozen=True, slots=True)
class Turn:
    """One block to run. Turns of the same round and level ask for the same users in the same order."""

    round: int
    in_flight: int
    contestant: str


def turns(round_count: int, levels: Sequence[int], contestants: Sequence[str]) -> Iterator[Turn]:
    """Every contestant once per round and level. The order is rotated from one group to the next and turned around every other time,
    so that over the run nobody always follows the same neighbour or always runs on a warmer machine."""
    group = 0
    for number in range(round_count):
        for level in levels:
            shift = group % len(contestants)
            order = [*contestants[shift:], *contestants[:shift]]
            yield from (Turn(number, level, name) for name in (order if group % 2 == 0 else reversed(order)))
            group += 1


def users_of(turn: Turn, user_count: int, request_count: int, seed: int) -> RowArray:
    """The user rows of a turn, int64 [request_count]: all users in a seeded order before anyone comes twice."""
    rng = np.random.default_rng([seed, turn.round, turn.in_flight])
    repeats = -(-request_count // user_count)
    return np.concatenate([rng.permutation(user_count) for _ in range(repeats)])[:request_count].astype(np.int64)
