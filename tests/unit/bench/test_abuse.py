import numpy as np
import pytest

from bench.abuse.__main__ import leaks, problems
from bench.abuse.attacks import ATTACKS, Deeds, _frame_count, _numbers, _on_stream
from bench.abuse.trial import Calls, Trial
from tests.integration.raw_http2 import data, headers, ping, reset


def trial(**changes):
    good = {
        "attack": "reset headers",
        "deeds": Deeds(300_000, 1, 10.0),
        "calls": Calls([0.01] * 100),
        "rss_growth_mb": 1.0,
        "cpu_cores": 1.0,
        "survived": True,
    }
    return Trial(**{**good, **changes})


def test_a_trial_that_meets_every_target_has_no_problems():
    assert problems(trial()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"calls": Calls([0.01] * 97 + [1.1] * 2)}, "97.98% of the calls"),
        ({"calls": Calls([0.01] * 90, refused=10)}, "90.00% of the calls"),
        ({"calls": Calls()}, "0.00% of the calls"),
        ({"deeds": Deeds(100_000, 1, 10.0)}, "10,000 resets per second"),
        ({"deeds": Deeds()}, "0 resets per second"),
        ({"rss_growth_mb": 300.0}, "memory grew by 300 MB"),
        ({"survived": False}, "was lost"),
        ({"attack": "silent sockets", "deeds": Deeds(150, 200, 10.0)}, "50 of 200 silent sockets are still open"),
    ],
)
def test_a_missed_target_is_told_in_words(changes, text):
    (problem,) = problems(trial(**changes))
    assert text in problem


def test_memory_that_is_given_back_is_no_leak_and_memory_that_is_kept_is():
    assert leaks([trial(rss_growth_mb=131.0), trial(rss_growth_mb=-127.0)]) == []
    (problem,) = leaks([trial(rss_growth_mb=40.0), trial(rss_growth_mb=40.0)])
    assert "80 MB over all attacks" in problem


def test_silent_sockets_may_be_open_before_the_server_must_close_them():
    assert problems(trial(attack="silent sockets", deeds=Deeds(0, 200, 2.0))) == []


def test_every_attack_explains_itself():
    assert all(attack.__doc__ for attack in ATTACKS.values())


def test_frames_are_moved_to_another_stream_whole():
    assert _on_stream(7, (headers(1, "/a"), data(1, b"x"), reset(1))) == headers(7, "/a") + data(7, b"x") + reset(7)
    assert _numbers(7)[0].tobytes() == reset(7)[5:9]
    assert (np.diff(_numbers(7).view(">u4")[:, 0].astype(int)) == 2).all()


def test_frames_are_counted():
    assert _frame_count(ping() * 3 + headers(1, "/a") + reset(1)) == 5
