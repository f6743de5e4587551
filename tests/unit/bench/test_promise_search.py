"""The search for C, against servers that are made of numbers: a known capacity, chance, and moments in which the machine stands still."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.promise.search import LEAST_RATE_PER_S, PRECISION, highest
from bench.promise.sequential import BOUND, GOOD, Count, Step, attempt, step

LOOK_CALLS = 330


class VirtualServer:
    """Of 1 % late calls at its capacity; the share grows with the tenth power of the rate, as it did with a real one.

    stalls: share of the looks in which the machine stood still, for a tenth of the time.
    """

    def __init__(self, capacity_per_s: float, seed: int, stalls: float = 0.04) -> None:
        self.capacity_per_s, self.stalls, self.draw = capacity_per_s, stalls, random.Random(seed)
        self.looks: list[float] = []
        self.steps: list[Step] = []

    def look(self, rate_per_s: float) -> Count:
        self.looks.append(rate_per_s)
        late = min(1.0, 0.01 * (rate_per_s / self.capacity_per_s) ** 10)
        if self.draw.random() < self.stalls:
            late = max(late, 0.1)
        count = max(LOOK_CALLS, round(rate_per_s))
        return Count(count, sum(self.draw.random() >= late for _ in range(count)))

    def test(self, rate_per_s: float) -> Step:
        self.steps.append(step(rate_per_s, lambda: self.look(rate_per_s)))
        return self.steps[-1]


def found(server: VirtualServer, first_rate_per_s: float = 100.0) -> float | None:
    return highest(server.test, first_rate_per_s)


@pytest.mark.parametrize("capacity_per_s", [28.0, 240.0, 900.0])
def test_the_capacity_is_found_within_a_tenth_in_95_of_100_noisy_searches(capacity_per_s):
    within, looks = 0, 0
    for seed in range(100):
        server = VirtualServer(capacity_per_s, seed)
        c = found(server)
        within += c is not None and abs(c - capacity_per_s) <= 0.1 * capacity_per_s
        looks += len(server.looks)
    assert within >= 95
    assert looks <= 2_000  # 20 of them a search


@settings(deadline=None, max_examples=50)
@given(capacity_per_s=st.floats(40.0, 5_000.0), first=st.floats(20.0, 1_000.0))
def test_without_noise_the_capacity_is_found_to_the_precision(capacity_per_s, first):
    c = highest(lambda rate: Step(rate, rate <= capacity_per_s, 1.0 if rate <= capacity_per_s else 0.9), first)
    assert c is not None
    assert capacity_per_s / PRECISION * 0.999 <= c <= capacity_per_s


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), capacity_per_s=st.floats(5.0, 3_000.0), stalls=st.floats(0.0, 0.9))
def test_what_is_found_was_held_at_99_percent_however_noisy_it_was(seed, capacity_per_s, stalls):
    server = VirtualServer(capacity_per_s, seed, stalls)
    c = found(server)
    held = [one.rate_per_s for one in server.steps if one.held]
    assert c == (max(held) if held else None)
    assert all(one.good_share >= GOOD for one in server.steps if one.held)


def test_nothing_is_found_where_nothing_holds():
    asked = []
    assert highest(lambda rate: asked.append(rate) or Step(rate, False, 0.98), 100.0) is None
    assert LEAST_RATE_PER_S <= min(asked) < 2 * LEAST_RATE_PER_S
    assert highest(lambda rate: Step(rate, False, 0.0), 100.0) is None


def test_a_narrow_failure_at_a_low_rate_does_not_hide_a_higher_one_that_holds():
    c = highest(lambda rate: Step(rate, 120 <= rate <= 400, 0.5 if rate > 400 else 0.985), 100.0)
    assert c is not None
    assert 400 / PRECISION <= c <= 400


def test_no_look_is_needed_beyond_what_tells_99_from_98_percent():
    looks = iter([Count(330, 330), Count(330, 0)])
    assert attempt(lambda: next(looks)) == Count(330, 330)
    looks = iter([Count(330, 300), Count(330, 330)])
    assert attempt(lambda: next(looks)) == Count(330, 300)
    assert attempt(lambda: Count(330, 326)).planned > 330  # 98.8 %: more is wanted


def test_one_bad_moment_fails_no_rate_and_two_do():
    looks = iter([Count(330, 200), Count(330, 330)])
    assert step(50.0, lambda: next(looks)) == Step(50.0, True, 1.0)
    looks = iter([Count(330, 200), Count(330, 240)])
    assert step(50.0, lambda: next(looks)) == Step(50.0, False, 240 / 330)


def test_a_look_without_calls_proves_nothing():
    assert not step(1.0, Count).held


@given(planned=st.integers(1, 5_000), late=st.integers(0, 5_000))
def test_evidence_against_a_rate_never_goes_with_a_share_that_holds(planned, late):
    count = Count(planned, max(0, planned - late))
    assert not (count.evidence >= BOUND and count.share >= GOOD)
