"""How many calls run at a time: as many as cores while the processor works, more where it waits."""

import pytest

from server.admission.run_limit import RunLimit


class Run:
    """Calls that end one after the other, on hand-driven clocks. use: of one core while they ran."""

    def __init__(self, least=1, most=64):
        self.now_s, self.used_s = 0.0, 0.0
        self.limit = RunLimit(least, most, lambda: self.used_s, lambda: self.now_s)

    def calls(self, count, duration_s, use, waiting=5, running=None):
        for _ in range(count):
            at_a_time = self.limit.calls if running is None else running
            passed_s = duration_s / max(1, at_a_time)
            self.now_s += passed_s
            self.used_s += use(at_a_time) * passed_s if callable(use) else use * passed_s
            self.limit.note(duration_s, at_a_time, waiting)
        return self.limit.calls


def test_it_starts_with_the_cores():
    assert Run(least=2).limit.calls == 2


def test_calls_that_keep_the_processor_busy_run_one_per_core_however_many_wait():
    assert Run().calls(2000, 0.005, use=1.0) == 1


def test_calls_that_wait_for_something_else_run_several_at_a_time_until_the_processor_is_busy():
    """A tenth of each call is processor time, as with a GPU: about ten of them keep the core busy."""
    assert 7 <= Run().calls(3000, 0.01, use=lambda running: min(1.0, running / 10)) <= 10


def test_it_settles_within_two_seconds():
    run = Run()
    while run.limit.calls < 7:
        run.calls(1, 0.01, use=lambda running: min(1.0, running / 10))
    assert run.now_s < 2.0


def test_it_does_not_grow_while_nobody_waits():
    assert Run().calls(500, 0.01, use=0.1, waiting=0) == 1


def test_calls_that_take_longer_than_a_look_move_it_too():
    assert Run().calls(100, 0.5, use=0.1) > 2


def test_where_calls_wait_now_and_then_it_stays_and_looks_ten_times_a_second():
    run, looks = Run(), []
    run.limit = RunLimit(1, 64, lambda: looks.append(run.now_s) or run.used_s, lambda: run.now_s)
    for _ in range(1000):
        run.calls(1, 0.002, use=0.1, waiting=1)
        run.calls(1, 0.002, use=0.1, waiting=0)
    assert run.limit.calls == 1
    assert len(looks) <= 10 * run.now_s + 1


def test_it_does_not_move_while_fewer_than_half_of_it_run():
    run = Run()
    run.calls(500, 0.01, use=0.2)
    before = run.limit.calls
    assert before > 8
    assert run.calls(500, 0.01, use=0.2, running=before // 2 - 1) == before


def test_it_shrinks_when_calls_become_slower_and_never_below_the_cores():
    run = Run()
    before = run.calls(700, 0.01, use=lambda running: min(0.8, running / 10))
    assert run.calls(20, 0.05, use=0.8) <= before / 2 + 1
    assert run.calls(500, 0.5, use=1.0) == 1


def test_it_comes_back_to_the_cores_once_the_processor_is_what_calls_need():
    run = Run()
    assert run.calls(400, 0.01, use=0.2) > 6
    assert run.calls(800, 0.01, use=1.0) == 1


@pytest.mark.parametrize("most", [1, 4])
def test_it_never_exceeds_the_threads(most):
    assert Run(most=most).calls(500, 0.01, use=0.1) == most


def test_a_processor_that_works_most_of_the_time_is_left_alone():
    assert Run().calls(500, 0.01, use=0.8) == 1
