"""The ranker of a running server gets ten times as slow: answers stay in time, and say that they are less. And what looking at the clock costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from bench.promise.budget_check import plan_cost
from bench.promise.capacity import DEADLINE_S
from bench.promise.proof import Check, Grid, Proof, doubts
from bench.promise.rig import Rig, Seen, see, see_from
from bench.promise.world import COSTS_MS, ensure_bundle

SLOWER = 10
LOAD = 0.3  # of what one core serves of full answers: the ranker is slow here, not the load high
READ_S = 1.0  # the server looks at its drill file several times a second
LEAST_IN_TIME, LEAST_MARKED, MOST_COST = 0.999, 1.0, 0.02


def prove(rig: Rig) -> Proof:
    """Before, while it becomes slow, and from then on; with the last of the rankers, which at ten times its cost cannot be done in time."""
    ranker = rig.rankers[-1]
    proof = Proof("slow-ranker", f"A ranker that becomes {SLOWER} times as slow", rig.seed)
    with tempfile.TemporaryDirectory(prefix="earshot-drill-") as folder:
        drill = Path(folder, "drill.toml")
        with rig.serve(ranker, "--drill-file", str(drill))() as target:
            rate_per_s = LOAD * 1e3 / COSTS_MS[ranker]
            trial = rig.trial(target, rate_per_s, rig.seconds * 0.2, DEADLINE_S)
            before = see(trial, target)
            longer = replace(trial, duration_s=rig.seconds * 0.2, warm_up_s=0.0)
            turning = see_from(longer, target, _slowed(drill))
            slow = see(replace(trial, duration_s=rig.seconds * 0.6, warm_up_s=READ_S), target)
    cost = plan_cost(ensure_bundle(rig.world, ranker))
    proof.checks = [*_checks(slow), Check("CPU of planning and looking at the clock, of an unloaded request", cost.share, "at most", MOST_COST)]
    proof.grids = [_grid({"before": before, "while it becomes slow": turning, "slow": slow})]
    proof.points = [asdict(seen.point) for seen in (before, turning, slow)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker, every call of it run {SLOWER} times by the drill file; deadline {DEADLINE_S * 1e3:g} ms, {rate_per_s:.1f} calls a second",
        f"one request of the engine, with the plan {cost.planned_s * 1e6:.0f} us of CPU, without {cost.plain_s * 1e6:.0f} us; {cost.pair_count} pairs in turns",
    ]
    return proof


def _slowed(drill: Path) -> Callable[[], None]:
    return lambda: drill.write_text(f"slow_ranker = {SLOWER}\n", encoding="utf-8") and None


def _checks(slow: Seen) -> list[Check]:
    share = slow.point.good_share
    late = doubts([slow.point]) if share < LEAST_IN_TIME else ""
    return [
        Check("answered in time", share, "at least", LEAST_IN_TIME, doubt=late),
        Check("answers marked as less than the full work", slow.point.degraded_share, "at least", LEAST_MARKED),
    ]


def _grid(seen: dict[str, Seen]) -> Grid:
    rows = []
    for when, one in seen.items():
        point = one.point
        named = ", ".join(f"{name} {count}" for name, count in point.degradations.items()) or "-"
        rows.append([when, str(one.measured.samples.count), f"{point.good_share:.2%}", f"{point.degraded_share:.2%}", f"{point.latency.p99_ms:.1f}", named])
    return Grid("The ranker slows down", ["when", "calls", "in time", "marked", "p99 ms", "degradations"], rows)
