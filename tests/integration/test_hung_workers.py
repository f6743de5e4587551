"""Workers that hang: found by health first, then replaced, while the others go on."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from tests.integration.callers import REQUEST, Load
from tests.integration.server_process import ServerProcess, alive, wait_until


def lines(server, message):
    return [json.loads(line) for line in server.log.read_text().splitlines() if f'"{message}' in line]


def test_a_worker_that_shows_no_sign_of_life_is_replaced_and_only_its_callers_notice(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--worker-hang-timeout-ms", "1500") as server:
        victim, other = server.serving_pids()
        with Load(server) as load:
            time.sleep(0.3)
            os.kill(victim, signal.SIGSTOP)
            wait_until(lambda: len(pids := server.serving_pids()) == 2 and victim not in pids, 10, "another has taken its place")
            time.sleep(0.3)
        assert other in server.serving_pids()
        assert set(load.failed_on) <= {victim}
        (line,) = lines(server, "worker hangs")
        assert (line["worker_pid"], line["limit_s"]) == (victim, 1.5)
        assert server.recommend()(REQUEST, timeout=5).receipt


def test_workers_that_live_are_left_alone_for_longer_than_the_timeout(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--worker-hang-timeout-ms", "500") as server:
        before = server.serving_pids()
        time.sleep(2.0)
        assert server.serving_pids() == before


def test_a_server_that_was_stopped_as_a_whole_goes_on_with_the_same_workers(demo_bundle, tmp_path):
    """As a suspended container or a debugger does it: the workers were silent because nobody ran."""
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--worker-hang-timeout-ms", "1000") as server:
        before, group = server.serving_pids(), server.group()
        for pid in group:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        for pid in group:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1.0)
        assert server.serving_pids() == before
        assert server.recommend()(REQUEST, timeout=5).receipt


def children(pid):
    with suppress(OSError):
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return []


def test_a_worker_that_never_comes_to_serve_is_replaced(demo_bundle, tmp_path):
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--worker-start-timeout-ms", "3000", workers=1) as server:
        generation, (first,) = server.status().generation_pid, server.serving_pids()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: set(children(generation)) - {first}, 5, "a successor is forked")
        (hung,) = set(children(generation)) - {first}
        os.kill(hung, signal.SIGSTOP)  # long before it serves: it has sessions to make
        assert server.serving_pids() == []
        wait_until(server.serving_pids, 15, "another one serves")
        assert hung not in server.serving_pids()
        assert not alive(hung)
        (line,) = lines(server, "worker does not come to serve")
        assert (line["worker_pid"], line["limit_s"]) == (hung, 3.0)
        assert server.recommend()(REQUEST, timeout=5).receipt


def test_a_worker_that_hangs_does_not_hold_up_the_stop(demo_bundle, tmp_path):
    """Grace and one second, whatever a worker does."""
    with ServerProcess(tmp_path, "--bundle", str(demo_bundle), "--drain-wait-ms", "0", "--drain-grace-ms", "1000") as server:
        group = server.group()
        os.kill(server.serving_pids()[0], signal.SIGSTOP)
        started = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert not any(map(alive, group))
        assert time.monotonic() - started < 2.0
        with pytest.raises(grpc.RpcError):
            server.recommend()(REQUEST, timeout=1)
