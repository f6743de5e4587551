"""The ranker of a running server gets ten times as slow: answers stay in time, and say that they are less. And what looking at the clock costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from bench.promise.budget_check import PlanCost, plan_cost
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
            trial = rig.trial(target, rate_per_s, rig.seconds * 0.15, DEADLINE_S)
            before = see(trial, target)
            longer = replace(trial, duration_s=rig.seconds * 0.15, warm_up_s=0.0)
            turning = see_from(longer, target, _slowed(drill))
            slow = see(replace(trial, duration_s=rig.seconds * 0.5, warm_up_s=READ_S), target)
    costs = {name: plan_cost(ensure_bundle(rig.world, name), rig.seconds * 0.1) for name in rig.rankers}
    proof.checks = [*_checks(slow), *(_cost_check(name, cost) for name, cost in costs.items())]
    proof.grids = [_grid({"before": before, "while it becomes slow": turning, "slow": slow})]
    proof.points = [asdict(seen.point) for seen in (before, turning, slow)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker, every call of it run {SLOWER} times by the drill file",
        f"deadline {DEADLINE_S * 1e3:g} ms, {rate_per_s:.1f} calls a second",
        *(_cost_fact(name, cost) for name, cost in costs.items()),
    ]
    return proof


def _slowed(drill: Path) -> Callable[[], None]:
    def slow_down() -> None:
        drill.write_text(f"slow_ranker = {SLOWER}\n", encoding="utf-8")

    return slow_down


def _checks(slow: Seen) -> list[Check]:
    share = slow.point.good_share
    late = doubts([slow.point]) if share < LEAST_IN_TIME else ""
    return [
        Check("answered in time", share, "at least", LEAST_IN_TIME, doubt=late),
        Check("answers marked as less than the full work", slow.point.degraded_share, "at least", LEAST_MARKED),
    ]


def _cost_check(ranker: str, cost: PlanCost) -> Check:
    what = f"CPU of planning and looking at the clock, of an unloaded request, {COSTS_MS[ranker]:g} ms ranker"
    return Check(what, cost.share, "at most", MOST_COST)


def _cost_fact(ranker: str, cost: PlanCost) -> str:
    return (
        f"one request of the engine with the {COSTS_MS[ranker]:g} ms ranker: {cost.planned_s * 1e6:.0f} us of CPU with the plan, "
        f"{cost.plain_s * 1e6:.0f} us without; {cost.pair_count} pairs of blocks in turns"
    )


def _grid(seen: dict[str, Seen]) -> Grid:
    return Grid("The ranker slows down", ["when", "calls", "in time", "marked", "p99 ms", "degradations"], [_row(*one) for one in seen.items()])


def _row(when: str, seen: Seen) -> list[str]:
    point = seen.point
    named = ", ".join(f"{name} {count}" for name, count in point.degradations.items()) or "-"
    count = seen.measured.samples.measured(seen.trial.warm_up_s).count
    return [when, str(count), f"{point.good_share:.2%}", f"{point.degraded_share:.2%}", f"{point.latency.p99_ms:.1f}", named]
