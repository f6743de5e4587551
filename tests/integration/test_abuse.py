"""What a good caller notices while another connection attacks the same worker: nothing that takes a second.

This is the short form; `python -m bench.abuse` is the long one, with a table.
"""

import time

import pytest

from bench.abuse.__main__ import RESETS, problems
from bench.abuse.attacks import ATTACKS
from bench.abuse.trial import run_trial
from bench.load import Target
from tests.integration.raw_http2 import RawConnection
from tests.integration.server_process import ServerProcess


@pytest.fixture(scope="module")
def attacked(demo_bundle, tmp_path_factory):
    """One worker, so that the good caller shares it with the attacker."""
    with ServerProcess(tmp_path_factory.mktemp("attacked"), "--bundle", str(demo_bundle), workers=1) as server:
        yield server


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_a_good_caller_is_served_in_time_under_attack(attacked, attack):
    trial = run_trial(Target(attacked.target, attacked.process.pid), attack, 2.0 if attack.startswith(RESETS) else 0.7)
    assert problems(trial) == []
    assert trial.deeds.connections
    assert attacked.status().worker_restart_count == 0


def test_a_silent_socket_is_closed_after_the_time_for_the_handshake(attacked):
    with RawConnection(attacked.facts["port"], greet=False) as raw:
        started = time.monotonic()
        assert raw.closed_within(20)
        assert time.monotonic() - started > 4.0
