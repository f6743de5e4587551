"""What reading and refusing takes of the processor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.admission.reading_load import LOOK_S, MEMORY_S, ReadingLoad


class Threads:
    """Use so many cores from now on."""

    def __init__(self):
        self.now_s, self.used_s = 100.0, 7.0
        self.load = ReadingLoad(lambda: self.used_s)

    def go_on(self, cores, seconds, step_s=0.01):
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.used_s += cores * step_s
            self.load.cores(self.now_s)
        return self.load.cores(self.now_s)


def test_what_was_used_before_the_first_look_does_not_count():
    assert ReadingLoad(lambda: 1e6).cores(5.0) == 0.0


@pytest.mark.parametrize("cores", [0.03, 0.5, 1.7])
def test_a_steady_use_is_known_after_a_few_memories(cores):
    assert Threads().go_on(cores, 5 * MEMORY_S) == pytest.approx(cores, rel=0.02)


def test_a_flood_and_its_end_are_seen_within_half_a_second():
    threads = Threads()
    threads.go_on(0.0, 1.0)
    assert threads.go_on(0.5, 0.5) > 0.4
    assert threads.go_on(0.0, 0.5) < 0.1


def test_after_a_long_time_without_a_look_what_was_believed_before_does_not_count():
    threads = Threads()
    threads.go_on(0.8, 2.0)
    assert threads.go_on(0.1, 60.0, step_s=60.0) == pytest.approx(0.1, rel=0.01)


def test_it_is_looked_at_seldom():
    looks = []
    load = ReadingLoad(lambda: looks.append(1) or 0.0)
    for number in range(1000):
        load.cores(number / 1000)
    assert len(looks) <= 1.0 / LOOK_S + 1


@given(st.lists(st.tuples(st.floats(LOOK_S, 10.0), st.floats(0.0, 10.0)), min_size=1, max_size=30))
def test_it_stays_between_nothing_and_the_most_that_was_used(steps):
    threads, most = Threads(), max(more_s / passed_s for passed_s, more_s in steps)
    threads.load.cores(threads.now_s)
    for passed_s, more_s in steps:
        assert 0.0 <= threads.go_on(more_s / passed_s, passed_s, step_s=passed_s) <= most * (1 + 1e-6) + 1e-9
