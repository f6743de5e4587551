"""A second client while one connection opens streams and resets them as fast as it can; the attacks are those of bench.abuse."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.abuse.__main__ import RESETS, RESETS_PER_S, SHARE_IN_TIME
from bench.abuse.attacks import ATTACKS
from bench.abuse.trial import Trial, run_trial
from bench.promise.proof import Check, Grid, Proof
from bench.promise.rig import Rig
from bench.servers import ServedConfig, environment, served


def prove(rig: Rig) -> Proof:
    """Every kind of reset, against the demo, whose listener the attacks name."""
    proof = Proof("rapid-reset", "HTTP/2 rapid reset from one connection", rig.seed)
    attacks = [name for name in ATTACKS if name.startswith(RESETS)]
    trials = []
    with tempfile.TemporaryDirectory(prefix="earshot-promise-") as scratch:
        bundle = Path(scratch) / "bundle"
        command = [sys.executable, "-m", "cli", "demo", "--build-only", "--out", str(bundle)]
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        with served(bundle, ServedConfig(1, rig.thread_count, rig.words, rig.server_core), Path(scratch)) as target:
            run_trial(target, None, 1.0)  # warm
            trials += [run_trial(target, attack, rig.seconds / len(attacks)) for attack in attacks]
    proof.checks = [_check(trial) for trial in trials]
    rows = [_row(trial) for trial in trials]
    proof.grids = [Grid("Beside a rapid reset", ["attack", "resets/s", "calls", "p50 ms", "p99 ms"], rows)]
    proof.facts = ["one attacking connection at a time; the other client calls one after the other and waits up to five seconds for each answer"]
    return proof


def _check(trial: Trial) -> Check:
    rate = trial.deeds.per_second
    doubt = "" if rate >= RESETS_PER_S else f"{rate:,.0f} resets a second are too few, wanted {RESETS_PER_S:,}"
    what = f"{trial.attack}: the other client's calls within one second"
    return Check(what, trial.calls.share_in_time, "at least", SHARE_IN_TIME, doubt=doubt)


def _row(trial: Trial) -> list[str]:
    calls = trial.calls
    return [trial.attack, f"{trial.deeds.per_second:,.0f}", str(calls.count), f"{calls.percentile_ms(50):.1f}", f"{calls.percentile_ms(99):.1f}"]
