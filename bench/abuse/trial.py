"""One attack against a running server, and what a good caller and the server made of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np

from bench.abuse.attacks import RECOMMEND, REQUEST, Deeds
from bench.cpu import cpu_s, tree_of
from bench.load import Target
from bench.servers import environment

WITHIN_S = 1.0
SETTLE_S = 0.3  # for what an attack left behind to be cleaned up, before memory is read
TIMEOUT_S = 5.0  # a good caller waits that long, so that a late answer is told from none


@dataclass(slots=True)
class Calls:
    """Of the good caller. seconds: how long each took that was answered with OK."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def count(self) -> int:
        """All calls."""
        return len(self.seconds) + self.refused

    @property
    def share_in_time(self) -> float:
        """Answered with OK within WITHIN_S; of no calls at all: none."""
        return sum(took_s <= WITHIN_S for took_s in self.seconds) / max(1, self.count)

    def percentile_ms(self, percent: float) -> float:
        """Of the answered calls; nan without any."""
        return float(np.percentile(self.seconds, percent)) * 1e3 if self.seconds else float("nan")


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured. rss_growth_mb: of the whole server. cpu_cores: that it used, on average. survived: no process of it was lost."""

    attack: str
    deeds: Deeds
    calls: Calls
    rss_growth_mb: float
    cpu_cores: float
    survived: bool


def run_trial(target: Target, attack: str | None, seconds: float, attackers: int = 1) -> Trial:
    """Make good calls for some seconds, one after another on one connection, while `attackers` processes attack. attack None: nobody does."""
    port = int(target.address.rpartition(":")[2])
    pids = tree_of(target.pid)
    rss_before, cpu_before, started = _rss_mb(pids), cpu_s(pids), time.monotonic()
    command = [sys.executable, "-m", "bench.abuse.attacker", str(attack), str(port), str(seconds)]
    processes = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(attackers if attack else 0)]
    calls = _good_calls(target, seconds, processes)
    deeds = _sum([Deeds(**json.loads(process.communicate(timeout=seconds + 60)[0])) for process in processes])
    cores = (cpu_s(pids) - cpu_before) / (time.monotonic() - started)
    time.sleep(SETTLE_S)
    return Trial(attack or "nobody attacks", deeds, calls, _rss_mb(pids) - rss_before, cores, tree_of(target.pid) == pids)


def _good_calls(target: Target, seconds: float, processes: list[subprocess.Popen[str]]) -> Calls:
    """Until the attackers have ended, or for `seconds` where there are none."""
    calls, until = Calls(), time.monotonic() + seconds
    with grpc.insecure_channel(target.address, [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask: Callable[..., bytes] = channel.unary_unary(RECOMMEND)
        while time.monotonic() < until or any(process.poll() is None for process in processes):
            asked_s = time.monotonic()
            try:
                ask(REQUEST, timeout=TIMEOUT_S)
            except grpc.RpcError:
                calls.refused += 1
                time.sleep(0.01)  # a refused caller does not spin
            else:
                calls.seconds.append(time.monotonic() - asked_s)
    return calls


def _sum(deeds: list[Deeds]) -> Deeds:
    return Deeds(sum(one.count for one in deeds), sum(one.connections for one in deeds), max((one.seconds for one in deeds), default=0.0))


def _rss_mb(pids: list[int]) -> float:
    """Private resident memory, so that pages which the processes share count once at most."""
    total_kb = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total_kb += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    return total_kb / 1024
