"""What is told of the machine, and what is wished of it."""

import os

from bench.awake import awake
from bench.machine import LONG_S, interruptions


def test_interruptions_are_a_part_of_the_time_and_the_thread_keeps_to_no_core_afterwards():
    before = os.sched_getaffinity(0)
    seen = interruptions(min(before), 0.1)
    assert os.sched_getaffinity(0) == before
    assert 0.0 <= seen.share <= 1.0
    assert (seen.per_s == 0.0) is (seen.longest_ms == 0.0)
    assert seen.longest_ms == 0.0 or seen.longest_ms > LONG_S * 1e3


def test_processors_are_kept_awake_as_long_as_the_wish_for_no_latency_is_held(tmp_path):
    file = tmp_path / "cpu_dma_latency"
    file.touch()
    with awake(file) as taken:
        assert file.read_bytes() == b"\0\0\0\0"
    assert taken


def test_a_system_without_such_a_wish_is_measured_as_it_is(tmp_path):
    with awake(tmp_path / "cpu_dma_latency") as taken:
        assert not taken
    assert not list(tmp_path.iterdir())
