"""The ranker of a running server gets ten times as slow: answers stay in time, and say that they are less. And what looking at the clock costs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.promise.budget_check import PlanCost, plan_cost
from bench.promise.capacity import DEADLINE_S
from bench.promise.outcome import Outcome, known, once
from bench.promise.parts import Parts
from bench.promise.proof import Check, Grid, Proof, doubts, too_few
from bench.promise.rig import Rig, see, see_from
from bench.promise.world import COSTS_MS, ensure_bundle

SLOWER = 10
LOAD = 0.3  # of what one core serves of full answers: the ranker is slow here, not the load high
READ_S = 1.0  # the server looks at its drill file several times a second
CALL_COUNT = 1_000  # of the slow ranker: one call of so many may be late
SPARE = 1.1  # as chance makes fewer of them; a tenth is three deviations
BEFORE_SHARE, SLOW_SHARE, COST_SHARE = 0.06, 0.65, 0.1  # of the seconds: each of two, at most, each ranker
LEAST_IN_TIME, LEAST_MARKED, MOST_COST = 0.999, 1.0, 0.02
BEFORE, TURNING, SLOW = "before", "while it becomes slow", "slow"


def measure(rig: Rig, parts: Parts) -> None:
    """Before, while it becomes slow, and from then on; with the last of the rankers, which at ten times its cost cannot be done in time."""
    if not all(name in parts for name in (BEFORE, TURNING, SLOW)):
        _measure_slowing(rig, parts)
    for ranker in rig.rankers:
        bundle = ensure_bundle(rig.world, ranker)
        parts.once(f"cost, {ranker}", partial(_cost, bundle, rig.seconds * COST_SHARE))


def _measure_slowing(rig: Rig, parts: Parts) -> None:
    """One server for all three."""
    ranker, rate_per_s = rig.rankers[-1], _rate_per_s(rig)
    with tempfile.TemporaryDirectory(prefix="earshot-drill-") as folder:
        drill = Path(folder, "drill.toml")
        with rig.serve(ranker, "--drill-file", str(drill))() as target:
            trial = rig.trial(target, rate_per_s, rig.seconds * BEFORE_SHARE, DEADLINE_S)
            once(parts, BEFORE, lambda: see(trial, target))
            turning = replace(trial, duration_s=rig.seconds * BEFORE_SHARE, warm_up_s=0.0)
            once(parts, TURNING, lambda: see_from(turning, target, _slowed(drill)))
            _slowed(drill)()  # where that part was there already
            slow_s = min(SPARE * CALL_COUNT / rate_per_s, rig.seconds * SLOW_SHARE)
            once(parts, SLOW, lambda: see(replace(trial, duration_s=slow_s, warm_up_s=READ_S), target))


def report(rig: Rig, parts: Parts) -> Proof:
    """What is known of it."""
    proof = Proof("slow-ranker", f"A ranker that becomes {SLOWER} times as slow", rig.seed)
    seen = {name: outcome for name in (BEFORE, TURNING, SLOW) if (outcome := known(parts, name))}
    costs = {name: PlanCost(**found) for name in rig.rankers if (found := parts.get(f"cost, {name}"))}
    proof.checks = [*(_checks(seen[SLOW]) if SLOW in seen else []), *(_cost_check(name, cost) for name, cost in costs.items())]
    proof.grids = [_grid(seen)]
    proof.points = [asdict(outcome.point) for outcome in seen.values()]
    proof.facts = [
        f"{COSTS_MS[rig.rankers[-1]]:g} ms ranker, every call of it run {SLOWER} times by the drill file",
        f"deadline {DEADLINE_S * 1e3:g} ms, {_rate_per_s(rig):.1f} calls a second; {seen[SLOW].count if SLOW in seen else 0} of the slow ranker",
        *(_cost_fact(name, cost) for name, cost in costs.items()),
    ]
    return proof


def _cost(bundle: Path, seconds: float) -> dict[str, Any]:
    return asdict(plan_cost(bundle, seconds))


def _rate_per_s(rig: Rig) -> float:
    return LOAD * 1e3 / COSTS_MS[rig.rankers[-1]]


def _slowed(drill: Path) -> Callable[[], None]:
    def slow_down() -> None:
        drill.write_text(f"slow_ranker = {SLOWER}\n", encoding="utf-8")

    return slow_down


def _checks(slow: Outcome) -> list[Check]:
    share, few = slow.point.good_share, too_few(slow.count, CALL_COUNT)
    late = doubts([slow.point]) if share < LEAST_IN_TIME else few
    return [
        Check("answered in time", share, "at least", LEAST_IN_TIME, doubt=late),
        Check("answers marked as less than the full work", slow.point.degraded_share, "at least", LEAST_MARKED, doubt=few),
    ]


def _cost_check(ranker: str, cost: PlanCost) -> Check:
    what = f"CPU of planning and looking at the clock, of an unloaded request, {COSTS_MS[ranker]:g} ms ranker"
    return Check(what, cost.share, "at most", MOST_COST)


def _cost_fact(ranker: str, cost: PlanCost) -> str:
    return (
        f"one request of the engine with the {COSTS_MS[ranker]:g} ms ranker: {cost.planned_s * 1e6:.0f} us of CPU with the plan, "
        f"{cost.plain_s * 1e6:.0f} us without; {cost.pair_count} pairs of blocks in turns"
    )


def _grid(seen: dict[str, Outcome]) -> Grid:
    return Grid("The ranker slows down", ["when", "calls", "in time", "marked", "p99 ms", "degradations"], [_row(*one) for one in seen.items()])


def _row(when: str, seen: Outcome) -> list[str]:
    point = seen.point
    named = ", ".join(f"{name} {count}" for name, count in point.degradations.items()) or "-"
    return [when, str(seen.count), f"{point.good_share:.2%}", f"{point.degraded_share:.2%}", f"{point.latency.p99_ms:.1f}", named]
