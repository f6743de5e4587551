"""C, the highest rate with at least 99 % inside the deadline, of one ranker and deadline; found once per run and kept beside the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.load import Target
from bench.promise.proof import Check, Curve, Proof
from bench.promise.rig import Rig, Seen, see
from bench.promise.world import COSTS_MS
from loadtest.open_loop.capacity import LEAST_GOOD_SHARE, find_capacity

FIRST_RATE_PER_S = 30.0
TRIAL_COUNT = 10
FILE_NAME = "known-capacities.json"
PRECISION = 1.05
DEADLINE_S = 0.1
LEAST_CALLS = 400  # of a trial, if that takes at most MOST_TIMES as long as the others: four late ones are one percent
MOST_TIMES = 4.0


def capacity(rig: Rig, ranker: str, deadline_s: float = DEADLINE_S, words: Sequence[str] = ()) -> float:
    """C of the server with these settings, in calls a second; searched for where this output directory does not know it yet.

    Raises RuntimeError where no rate holds.
    """
    key = _key(rig, ranker, deadline_s, words)
    if key not in _known(rig):
        with rig.serve(ranker, *words)() as target:
            _keep(rig, key, search(rig, target, deadline_s)[0])
    return _known(rig)[key]


def search(rig: Rig, target: Target, deadline_s: float) -> tuple[float, list[Seen]]:
    """(C, all trials). The seconds of the rig are for all of them. Raises RuntimeError where no rate holds, the lowest of them included."""
    trials: list[Seen] = []

    def once(rate_per_s: float) -> bool:
        seen = see(rig.trial(target, rate_per_s, trial_s(rig.seconds / TRIAL_COUNT, rate_per_s), deadline_s), target)
        trials.append(seen)
        point = seen.point
        late = "" if point.kept_up else "   LATE"
        print(f"  {rate_per_s:8.1f}/s   in time {point.good_share:8.2%}   p99 {point.latency.p99_ms:8.2f} ms{late}", flush=True)
        return point.good_share >= LEAST_GOOD_SHARE  # a generator that is late makes that harder, never easier

    def holds(rate_per_s: float) -> bool:
        return once(rate_per_s) or once(rate_per_s)  # a moment in which the machine stood still must not decide: too low a C is easy to keep

    found = find_capacity(holds, FIRST_RATE_PER_S, TRIAL_COUNT, PRECISION)
    if found is None:
        raise RuntimeError(f"no rate down to {trials[-1].trial.rate_per_s:.1f}/s had {LEAST_GOOD_SHARE:.0%} within {deadline_s * 1e3:g} ms")
    return found, trials


def forget(out: Path) -> None:
    """Search anew: what an output directory knows was found with an earlier server."""
    (out / FILE_NAME).unlink(missing_ok=True)


def mistaken(seen: Sequence[Seen], c: float) -> str:
    """Why this is not C, when it is not: a rate well above it holds too. Promises against too low a C would be worth nothing."""
    held = [one.trial.rate_per_s for one in seen if one.trial.rate_per_s > 1.5 * c and one.point.good_share >= LEAST_GOOD_SHARE]
    return f"C is not {c:.1f}/s: {held[-1]:.1f}/s held as well" if held else ""


def trial_s(even_s: float, rate_per_s: float) -> float:
    """How long to measure a rate: an even share of the time, and longer where that would be few calls."""
    return min(max(even_s, LEAST_CALLS / rate_per_s), MOST_TIMES * even_s)


def prove(rig: Rig) -> Proof:
    """Search C of both rankers at a deadline of 100 ms."""
    proof = Proof("capacity", "Capacity", rig.seed)
    for ranker in rig.rankers:
        cost_ms = COSTS_MS[ranker]
        with rig.serve(ranker)() as target:
            found, trials = search(rig, target, DEADLINE_S)
        _keep(rig, _key(rig, ranker, DEADLINE_S, ()), found)
        points = sorted((seen.point for seen in trials), key=lambda point: point.offered_per_s)
        proof.checks.append(Check(f"C with the {cost_ms:g} ms ranker, deadline 100 ms", found, "at least", 1.0, "/s"))
        proof.points += [asdict(point) for point in points]
        proof.curves.append(_curve(f"In time by offered rate, {cost_ms:g} ms ranker", points))
    return proof


def _curve(title: str, points: Sequence[Any]) -> Curve:
    return Curve(title, "offered calls a second", "in time, %", {"in time": [(point.offered_per_s, 100 * point.good_share) for point in points]})


def _key(rig: Rig, ranker: str, deadline_s: float, words: Sequence[str]) -> str:
    return " ".join([ranker, f"{deadline_s * 1e3:g} ms", *rig.words, *words])


def _file(rig: Rig) -> Path:
    return rig.out / FILE_NAME


def _known(rig: Rig) -> dict[str, float]:
    known: dict[str, float] = json.loads(_file(rig).read_text(encoding="utf-8")) if _file(rig).is_file() else {}
    return known


def _keep(rig: Rig, key: str, found: float) -> None:
    _file(rig).write_text(json.dumps({**_known(rig), key: found}, indent=1), encoding="utf-8")
