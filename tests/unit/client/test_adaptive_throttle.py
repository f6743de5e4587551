"""The law of the throttle, beside a plain model that keeps every event."""

from __future__ import annotations

import math
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.client import AdaptiveThrottle

WINDOW_S, SLICE_S = 120.0, 1.0
BOOKS = {"k": 2.0, "window_s": WINDOW_S, "most": 1.0}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "accepted", "refused", "wait"]), st.floats(0, 90)), max_size=60)


@settings(deadline=None)
@given(steps=STEPS, k=st.floats(1, 4), most=st.floats(0, 1), draws=st.randoms(use_true_random=False))
def test_the_probability_is_that_of_the_book_over_the_last_two_minutes(steps, k, most, draws):
    clock, drawn = Clock(), [0.0]
    throttle = AdaptiveThrottle(**BOOKS | {"k": k, "most": most}, clock=clock, draw=lambda: drawn[0])
    events: list[tuple[int, bool]] = []  # (second, accepted) of each request that has ended or was refused here
    for kind, number in steps:
        if kind == "wait":
            clock.now_s += number
        second = math.floor(clock.now_s / SLICE_S)
        kept = [accepted for at, accepted in events if at > second - WINDOW_S / SLICE_S]
        expected = min(most, max(0.0, (len(kept) - k * sum(kept)) / (len(kept) + 1)))
        assert throttle.probability == pytest.approx(expected, abs=1e-12)
        if kind == "ask":
            drawn[0] = draws.random()
            admitted = throttle.admit()
            assert admitted is (drawn[0] >= expected)
            events += [] if admitted else [(second, False)]
        elif kind != "wait":
            throttle.ended(accepted=kind == "accepted")
            events.append((second, kind == "accepted"))


def test_calls_that_still_run_are_held_against_nobody():
    throttle = AdaptiveThrottle(clock=Clock(), draw=lambda: 0.0)
    assert all(throttle.admit() for _ in range(1000))


@pytest.mark.parametrize("offered_times", [1, 2, 5, 10])
@pytest.mark.parametrize("options", [{}, BOOKS], ids=["ours", "the book's"])
def test_a_server_with_a_capacity_sees_about_k_times_what_it_accepts(offered_times, options):
    """200 calls a second are accepted of `offered_times` as many, for a minute."""
    clock, k = Clock(), options.get("k", 1.2)
    throttle = AdaptiveThrottle(**options, clock=clock, draw=random.Random(7).random)
    seen_count = 0
    for second in range(60):
        clock.now_s = 1000.0 + second
        left = 200
        for _ in range(200 * offered_times):
            if throttle.admit():
                seen_count += second >= 30  # once it has settled
                left -= 1
                throttle.ended(accepted=left >= 0)
    seen_per_s = seen_count / 30
    assert seen_per_s <= 1.1 * k * 200
    assert seen_per_s >= min(offered_times, 0.9 * k) * 200


@pytest.mark.parametrize(("options", "wanted_s"), [({}, (20, 90)), (BOOKS, (300, 1000))], ids=["ours", "the book's"])
def test_after_an_outage_of_a_minute_the_full_rate_is_back_within_minutes(options, wanted_s):
    """200 calls a second; the book's client, from whose default ours differs for that reason, takes as many as ten."""
    clock = Clock()
    throttle = AdaptiveThrottle(**options, clock=clock, draw=random.Random(7).random)
    back_s = None
    for second in range(1500):
        clock.now_s = 1000.0 + second
        sent = [throttle.admit() for _ in range(200)]
        for _ in range(sum(sent)):
            throttle.ended(accepted=second >= 60)
        if second >= 60 and sum(sent) >= 0.95 * 200:
            back_s = second - 60
            break
    assert back_s is not None
    assert wanted_s[0] <= back_s <= wanted_s[1]


def test_a_server_that_accepts_most_calls_sees_all_of_them():
    throttle = AdaptiveThrottle(clock=Clock(), draw=lambda: 0.0)
    for number in range(1000):
        throttle.ended(accepted=number % 6 != 5)
        assert throttle.probability <= 0.05


def test_what_is_older_than_the_window_is_forgotten():
    clock = Clock()
    throttle = AdaptiveThrottle(**BOOKS, clock=clock, draw=lambda: 1.0 - 1e-9)
    for _ in range(100):
        throttle.ended(accepted=False)
    assert throttle.probability == 100 / 101
    clock.now_s += WINDOW_S - SLICE_S
    assert throttle.probability == 100 / 101
    clock.now_s += SLICE_S
    assert throttle.probability == 0.0


def test_no_count_is_lost_between_threads():
    throttle = AdaptiveThrottle(**BOOKS, clock=Clock(), draw=lambda: 0.0)

    def ask() -> None:
        for _ in range(2000):
            throttle.ended(accepted=False)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert throttle.probability == 8000 / 8001


@pytest.mark.parametrize("options", [{"k": 0.5}, {"window_s": 0}, {"k": float("nan")}, {"most": 1.1}, {"most": float("nan")}])
def test_nonsense_is_refused(options):
    with pytest.raises(ValueError, match="k is"):
        AdaptiveThrottle(**options)
