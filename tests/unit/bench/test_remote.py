import os
from collections.abc import Callable

import pytest

from bench.remote import Remote


def make_adder(first: int) -> Callable[[int], tuple[int, int]]:
    return lambda second: (first + second, os.getpid())


def make_failing() -> Callable[[], None]:
    def fail() -> None:
        raise ValueError("it broke there")

    return fail


def make_dying() -> Callable[[], None]:
    return lambda: os._exit(3)


def test_calls_are_answered_by_one_other_process() -> None:
    with Remote(make_adder, 40) as add:
        (first, pid), (second, same_pid) = add(2), add(3)
    assert (first, second) == (42, 43)
    assert pid == same_pid != os.getpid()


def test_what_is_raised_there_is_told_here_and_the_process_lives_on() -> None:
    with Remote(make_failing) as fail:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="it broke there"):
                fail()


def test_a_process_that_dies_is_an_error() -> None:
    with Remote(make_dying) as die, pytest.raises(RuntimeError, match="died"):
        die()
