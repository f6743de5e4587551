"""Back-off: at once after a normal life, slower and slower while every life is short."""

from server.backoff import Backoff


def test_after_a_long_life_the_next_one_starts_at_once():
    backoff = Backoff()
    assert [backoff.delay_s(60.0) for _ in range(10)] == [0.0] * 10


def test_two_quick_deaths_are_forgiven_then_the_delays_double_up_to_the_limit():
    backoff = Backoff(first_delay_s=0.25, max_delay_s=1.0)
    assert [backoff.delay_s(0.1) for _ in range(6)] == [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]


def test_one_long_life_ends_the_series():
    backoff = Backoff()
    for _ in range(5):
        backoff.delay_s(0.1)
    assert [backoff.delay_s(5.0), backoff.delay_s(0.1)] == [0.0, 0.0]
