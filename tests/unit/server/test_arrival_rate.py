"""Arrivals per second, of late."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.arrival_rate import ArrivalRate


def steady(per_s, until_s, memory_s=0.5, start_s=100.0):
    rate = ArrivalRate(memory_s)
    for number in range(int(per_s * until_s)):
        rate.add(start_s + number / per_s)
    return rate, start_s + until_s


@pytest.mark.parametrize("per_s", [20, 100, 5000])
def test_a_steady_stream_is_known_after_a_few_memories(per_s):
    rate, now_s = steady(per_s, 3.0)
    assert rate.per_s(now_s) == pytest.approx(per_s, rel=0.06)


def test_a_rise_and_an_end_are_seen_within_half_a_second():
    rate, now_s = steady(100, 3.0)
    for number in range(250):
        rate.add(now_s + number / 500)
    assert 300 < rate.per_s(now_s + 0.5) < 400
    assert rate.per_s(now_s + 1.0) < 170


def test_nobody_has_come_before_the_first():
    assert ArrivalRate(0.5).per_s(5.0) == 0.0


def test_poisson_streams_are_right_on_average():
    rng, rate, now_s, seen = random.Random(1), ArrivalRate(0.5), 0.0, []
    for number in range(20_000):
        now_s += rng.expovariate(200)
        rate.add(now_s)
        if number > 1000 and number % 50 == 0:
            seen.append(rate.per_s(now_s + rng.random() * 0.01))
    assert sum(seen) / len(seen) == pytest.approx(200, rel=0.05)


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0, 10))
def test_without_arrivals_it_only_falls(gaps, later_s):
    rate, now_s = ArrivalRate(0.5), 0.0
    for gap in gaps:
        now_s += gap
        rate.add(now_s)
    assert 0.0 <= rate.per_s(now_s + later_s) <= rate.per_s(now_s)


def test_calls_that_are_taken_back_did_not_come():
    rate = ArrivalRate(0.5)
    for number in range(1_000):
        rate.add(number / 1_000)
        if number % 10:
            rate.take_back(number / 1_000 + 0.0005)
    assert 80 <= rate.per_s(1.0) <= 105  # of 100 a second, after two memories
    for _ in range(1_000):
        rate.take_back(1.0)
    assert rate.per_s(1.0) == 0.0
