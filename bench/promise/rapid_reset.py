"""A second client while one connection opens streams and resets them as fast as it can; the attacks are those of bench.abuse."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench.abuse.__main__ import RESETS, RESETS_PER_S, SHARE_IN_TIME
from bench.abuse.attacks import ATTACKS
from bench.abuse.trial import run_trial
from bench.load import Target
from bench.promise.parts import Parts
from bench.promise.proof import Check, Grid, Proof, too_few
from bench.promise.rig import Rig
from bench.servers import ServedConfig, environment, served

CALL_COUNT = 100  # of the second client: one percent is one call at least
NAMES = [name for name in ATTACKS if name.startswith(RESETS)]


def measure(rig: Rig, parts: Parts) -> None:
    """Every kind of reset, against the demo, whose listener the attacks name."""
    if all(name in parts for name in NAMES):
        return
    with tempfile.TemporaryDirectory(prefix="earshot-promise-") as scratch:
        bundle = Path(scratch) / "bundle"
        command = [sys.executable, "-m", "cli", "demo", "--build-only", "--out", str(bundle)]
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        with served(bundle, ServedConfig(1, rig.thread_count, rig.words, rig.server_core), Path(scratch)) as target:
            run_trial(target, None, 1.0)  # warm
            for name in NAMES:
                parts.once(name, partial(_measured, target, name, rig.seconds / len(NAMES)))


def report(rig: Rig, parts: Parts) -> Proof:
    """Of every kind that was measured."""
    proof = Proof("rapid-reset", "HTTP/2 rapid reset from one connection", rig.seed)
    found = {name: parts.get(name) for name in NAMES if name in parts}
    proof.checks = [_check(name, one) for name, one in found.items()]
    proof.grids = [Grid("Beside a rapid reset", ["attack", "resets/s", "calls", "p50 ms", "p99 ms"], [_row(*one) for one in found.items()])]
    proof.facts = ["one attacking connection at a time; the other client calls one after the other and waits up to five seconds for each answer"]
    return proof


def _measured(target: Target, name: str, seconds: float) -> dict[str, Any]:
    trial = run_trial(target, name, seconds)
    calls = trial.calls
    return {
        "resets": asdict(trial.deeds) | {"per_s": trial.deeds.per_second},
        "calls": calls.count,
        "share_in_time": calls.share_in_time,
        "p50_ms": calls.percentile_ms(50),
        "p99_ms": calls.percentile_ms(99),
    }


def _check(name: str, found: dict[str, Any]) -> Check:
    rate = found["resets"]["per_s"]
    slow = "" if rate >= RESETS_PER_S else f"{rate:,.0f} resets a second are too few, wanted {RESETS_PER_S:,}"
    what = f"{name}: {found['calls']} calls of the other client within one second"
    return Check(what, found["share_in_time"], "at least", SHARE_IN_TIME, doubt=slow or too_few(found["calls"], CALL_COUNT))


def _row(name: str, found: dict[str, Any]) -> list[str]:
    return [name, f"{found['resets']['per_s']:,.0f}", str(found["calls"]), f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}"]
