"""What is told of the machine."""

import os

from bench.machine import LONG_S, interruptions


def test_interruptions_are_a_part_of_the_time_and_the_thread_keeps_to_no_core_afterwards():
    before = os.sched_getaffinity(0)
    seen = interruptions(min(before), 0.1)
    assert os.sched_getaffinity(0) == before
    assert 0.0 <= seen.share <= 1.0
    assert (seen.per_s == 0.0) is (seen.longest_ms == 0.0)
    assert seen.longest_ms == 0.0 or seen.longest_ms > LONG_S * 1e3
