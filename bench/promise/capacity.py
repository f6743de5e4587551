"""C, the highest rate with at least 99 % inside the deadline, of one ranker and deadline; found once and kept beside the results.

How it is searched for is in bench.promise.search, when a rate holds in bench.promise.sequential: looks of at least LOOK_CALLS calls, LOOK_S
seconds and LOOK_DEADLINES deadlines until 99 % can be told from 98 %, and a second attempt before a rate has failed. Every look has other calls. A
generator that is late makes it harder to hold, never easier; a look that failed with a late generator has shown nothing and is had again,
MOST_REPEATS times at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

from bench.load import Target
from bench.promise.parts import Parts
from bench.promise.proof import Check, Curve, Proof
from bench.promise.rig import Rig, see
from bench.promise.search import LEAST_RATE_PER_S, highest
from bench.promise.sequential import GOOD, Count, step
from bench.promise.world import COSTS_MS
from loadtest.open_loop.point import Point

FIRST_RATE_PER_S = 100.0
DEADLINE_S = 0.1
LOOK_CALLS, LOOK_S, WARM_UP_S = 330, 1.0, 0.5  # 290 good calls in a row tell 99 % from 98 %
MOST_REPEATS = 2
LOOK_DEADLINES = 20  # of time: with 5 % more than can be done, a queue is a deadline long by then


def capacity(rig: Rig, ranker: str, deadline_s: float = DEADLINE_S) -> float:
    """C of the server with this ranker, in calls a second; searched for where this output directory does not know it yet.

    Raises RuntimeError where no rate holds.
    """
    name, kept = _name(ranker, deadline_s), _kept(rig)
    if name in kept:
        return kept.get(name)["c"] or _none_holds(deadline_s)
    with rig.serve(ranker)() as target:
        return capacity_of(rig, target, ranker, deadline_s) or _none_holds(deadline_s)


def capacity_of(rig: Rig, target: Target, ranker: str, deadline_s: float, first_rate_per_s: float = FIRST_RATE_PER_S) -> float:
    """The same of such a server that runs already; 0 where no rate holds. first_rate_per_s: where the search begins."""
    name, kept = _name(ranker, deadline_s), _kept(rig)
    if name not in kept:
        print(f"C, {ranker} ranker, deadline {deadline_s * 1e3:g} ms", flush=True)
        kept.keep(name, search(rig, target, deadline_s, first_rate_per_s))
    c: float = kept.get(name)["c"]
    return c


def search(rig: Rig, target: Target, deadline_s: float, first_rate_per_s: float) -> dict[str, Any]:
    """{"c": calls a second, 0 where no rate holds; "looks": the points of all looks}."""
    looks: list[Point] = []

    def once(rate_per_s: float) -> Count:
        duration_s = max(LOOK_S, LOOK_DEADLINES * deadline_s, LOOK_CALLS / rate_per_s)
        trial = replace(rig.trial(target, rate_per_s, duration_s, deadline_s), duration_s=duration_s, warm_up_s=WARM_UP_S)
        seen = see(replace(trial, seed=rig.seed + 1_000 * len(looks)), target)
        looks.append(seen.point)
        _tell(seen.point)
        count = seen.measured.samples.measured(WARM_UP_S).count
        return Count(count, round(seen.point.good_share * count) if count else 0)

    def look(rate_per_s: float) -> Count:
        count = once(rate_per_s)
        for _ in range(MOST_REPEATS):
            if looks[-1].kept_up or count.share >= GOOD:
                break
            count = once(rate_per_s)
        return count

    found = highest(lambda rate_per_s: step(rate_per_s, lambda: look(rate_per_s)), first_rate_per_s)
    return {"c": found or 0.0, "looks": [asdict(point) for point in looks]}


def mistaken(points: Sequence[Point], c: float) -> str:
    """Why this is not C, when it is not: a rate well above it holds too. Promises against too low a C would be worth nothing."""
    held = [point.offered_per_s for point in points if point.offered_per_s > 1.5 * c and point.good_share >= GOOD]
    return f"C is not {c:.1f}/s: {held[-1]:.1f}/s held as well" if held else ""


def measure(rig: Rig, parts: Parts) -> None:  # noqa: ARG001 - capacities have a file of their own, for all commands
    """Search C of the rig's rankers at a deadline of 100 ms."""
    for ranker in rig.rankers:
        capacity(rig, ranker)


def report(rig: Rig, parts: Parts) -> Proof:  # noqa: ARG001 - as above
    """What was found of each ranker."""
    proof = Proof("capacity", "Capacity", rig.seed)
    for ranker in rig.rankers:
        found = _kept(rig).get(_name(ranker, DEADLINE_S)) or {"c": float("nan"), "looks": []}
        looks = sorted(found["looks"], key=lambda one: float(one["offered_per_s"]))
        proof.checks.append(Check(f"C with the {COSTS_MS[ranker]:g} ms ranker, deadline 100 ms", found["c"], "at least", 1.0, "/s"))
        proof.points += looks
        proof.curves.append(_curve(f"In time by offered rate, {COSTS_MS[ranker]:g} ms ranker", looks))
    return proof


def _curve(title: str, looks: Sequence[dict[str, Any]]) -> Curve:
    """The mean of all looks at a rate."""
    points = []
    for rate_per_s, group in groupby(looks, key=lambda one: float(one["offered_per_s"])):
        shares = [float(one["good_share"]) for one in group]
        points.append((rate_per_s, 100 * sum(shares) / len(shares)))
    return Curve(title, "offered calls a second", "in time, %", {"in time": points})


def _tell(point: Point) -> None:
    late = "" if point.kept_up else "   LATE"
    print(f"  {point.offered_per_s:8.1f}/s   in time {point.good_share:8.2%}   p99 {point.latency.p99_ms:8.2f} ms{late}", flush=True)


def _none_holds(deadline_s: float) -> float:
    raise RuntimeError(f"no rate from {LEAST_RATE_PER_S:g}/s up had {GOOD:.0%} within {deadline_s * 1e3:g} ms")


def _kept(rig: Rig) -> Parts:
    return Parts(rig.parts_file("capacities"), {name: value for name, value in rig.settings.items() if name not in {"seconds", "rankers"}})


def _name(ranker: str, deadline_s: float) -> str:
    return f"{ranker} {deadline_s * 1e3:g} ms"
