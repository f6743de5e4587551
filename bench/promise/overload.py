"""More calls than the server can take: goodput from 0.2 to 10 times C, after a spike, without admission, and with clients that help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from bench.load import Target
from bench.promise.arithmetic import folded_shares, goodput_bound, recovery_s
from bench.promise.capacity import DEADLINE_S, capacity, mistaken
from bench.promise.proof import Check, Curve, Grid, Proof, doubts
from bench.promise.rig import Rig, Seen, idle_cores, see
from bench.promise.world import COSTS_MS
from loadtest.open_loop.trial import OK

LOADS = (0.2, 0.5, 0.8, 1.0, 2.0, 5.0, 10.0)  # of C
UNPROTECTED = ("--admission", "off")
UNPROTECTED_LOAD = 2.0
COOPERATIVE_LOAD = 10.0
SEARCH_SECONDS = 40.0
LEAST_SHARE, LEAST_GAIN, MOST_ATTEMPTS = 0.95, 3.0, 1.10
SPIKE = ((0.0, 0.7), (2.0, 2.0), (4.0, 0.7))  # (moment, load) of one cycle
SPIKE_WORDS = ", ".join(f"{load:g} C from {start_s:g} s" for start_s, load in SPIKE)
CYCLE_S, SPIKE_END_S, BUCKET_S, MOST_RECOVERY_S = 6.0, 4.0, 0.1, 0.5
STUCK_S = 3.0  # that the threads of the server whose refusals are counted are taken for
REFUSAL_RATE_PER_S = 2_000.0
IDLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of the server per call."""

    refused_s: float
    served_s: float


def prove(rig: Rig) -> Proof:
    """The whole curve, with one ranker: the last of the rig's. What was found with another one than the heaviest has a name of its own."""
    ranker = rig.rankers[-1]
    name = "overload" if ranker == list(COSTS_MS)[-1] else f"overload-{ranker}"
    proof = Proof(name, f"Goodput when everyone calls at once, {COSTS_MS[ranker]:g} ms ranker", rig.seed)
    c = capacity(replace(rig, seconds=min(rig.seconds, SEARCH_SECONDS)), ranker)
    trial_s = rig.seconds / (len(LOADS) + 5)  # and: off, client half, spike (2), refusals
    with rig.serve(ranker)() as target:
        idle = idle_cores(target, min(IDLE_S, trial_s))
        curve = {load: _see(rig, target, load * c, trial_s) for load in LOADS}
        cooperative = _see(rig, target, COOPERATIVE_LOAD * c, trial_s, cooperative=True)
        spike, shares = _spike(rig, target, c, 2 * trial_s)
    costs = Costs(_refused_s(rig, ranker, trial_s), _served_s(curve[1.0], idle))
    unprotected = _unprotected(rig, ranker, c, trial_s)
    proof.checks = [
        *_curve_checks(curve, c, costs),
        _gain(curve[UNPROTECTED_LOAD], unprotected),
        _recovery(spike, shares),
        *_cooperation(cooperative, c),
    ]
    if wrong := mistaken(list(curve.values()), c):
        proof.checks = [replace(check, doubt=check.doubt or wrong) for check in proof.checks]
    proof.points = [asdict(seen.point) for seen in curve.values()]
    proof.curves = [_goodput_curve(curve, c, costs), _spike_curve(shares)]
    proof.grids = [_grid(curve, c)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker, deadline {DEADLINE_S * 1e3:g} ms, C = {c:.1f}/s; {trial_s:.1f} s per rate, the first fifth not counted",
        f"a refused call costs the server {costs.refused_s * 1e6:.0f} us of CPU (r), one served at C {costs.served_s * 1e3:.2f} ms (s)",
        "the bound is g(L) = (1 - L r/s) / (1 - r/s), with L as it was achieved",
        f"client half at {COOPERATIVE_LOAD:g} C: offered {cooperative.point.offered_per_s:.0f}/s, failures {cooperative.point.failures}",
        f"spike: {SPIKE_WORDS}, repeated and folded, in buckets of {BUCKET_S * 1e3:g} ms",
    ]
    return proof


def _see(rig: Rig, target: Target, rate_per_s: float, seconds: float, cooperative: bool = False) -> Seen:
    seen = see(replace(rig.trial(target, rate_per_s, seconds, DEADLINE_S), cooperative=cooperative), target)
    point = seen.point
    print(
        f"  offered {point.offered_per_s:8.1f}/s   sent {point.achieved_per_s:8.1f}   goodput {point.goodput_per_s:8.1f}   "
        f"client {point.client_cores:.2f}   server {point.server_cores or 0:.2f} cores{'' if point.kept_up else '   THE GENERATOR DID NOT KEEP UP'}",
        flush=True,
    )
    return seen


def _refused_s(rig: Rig, ranker: str, seconds: float) -> float:
    """CPU per refused call of a worker whose threads are all taken by requests that use no CPU; nan when it did not refuse."""
    with rig.contestant(ranker, f"stuck:{STUCK_S:g}")() as target:
        idle = idle_cores(target, min(IDLE_S, seconds))
        trial = replace(rig.trial(target, REFUSAL_RATE_PER_S, seconds, DEADLINE_S), connection_count=0)  # connecting would wait for an answer
        seen = see(trial, target)
    refused = sum(count for name, count in seen.point.failures.items() if name.startswith(("UNAVAILABLE", "RESOURCE_EXHAUSTED")))
    return (seen.cpu_s - idle * seen.trial.duration_s) / refused if refused else math.nan


def _served_s(seen: Seen, idle: float) -> float:
    served = seen.measured.samples.measured(seen.trial.warm_up_s).outcome.count(OK)
    return (seen.cpu_s - idle * seen.trial.duration_s) / served if served else math.nan


def _unprotected(rig: Rig, ranker: str, c: float, seconds: float) -> Seen | None:
    """The same server with admission off; None where it has no such setting."""
    try:
        with rig.serve(ranker, *UNPROTECTED)() as target:
            return _see(rig, target, UNPROTECTED_LOAD * c, seconds)
    except RuntimeError as problem:
        print(f"  without admission: {problem}", flush=True)
        return None


def _curve_checks(curve: dict[float, Seen], c: float, costs: Costs) -> list[Check]:
    checks = [_share_of("goodput at 2 C, of C", curve[2.0], c)]
    for load in (5.0, 10.0):
        achieved = curve[load].point.achieved_per_s / c
        bound = goodput_bound(achieved, costs.refused_s, costs.served_s) * c
        checks.append(_share_of(f"goodput at {load:g} C, of the bound {bound / c:.1%} C", curve[load], bound))
    return checks


def _share_of(what: str, seen: Seen, whole_per_s: float) -> Check:
    share = seen.point.goodput_per_s / whole_per_s if whole_per_s else math.nan
    return Check(what, share, "at least", LEAST_SHARE, doubt=doubts([seen.point]))


def _gain(ours: Seen, unprotected: Seen | None) -> Check:
    what = f"goodput at {UNPROTECTED_LOAD:g} C, over that of the same server without admission"
    if unprotected is None:
        return Check(what, math.nan, "at least", LEAST_GAIN, "x", "the server cannot turn admission off")
    other = unprotected.point.goodput_per_s
    gain = ours.point.goodput_per_s / other if other else math.inf
    return Check(what, gain, "at least", LEAST_GAIN, "x", doubts([ours.point, unprotected.point]))


def _cooperation(seen: Seen, c: float) -> list[Check]:
    doubt = doubts([seen.point])
    return [
        Check(f"client half, {COOPERATIVE_LOAD:g} C: goodput, of C", seen.point.goodput_per_s / c, "at least", LEAST_SHARE, doubt=doubt),
        Check(f"client half, {COOPERATIVE_LOAD:g} C: attempts per call", seen.point.attempts_per_call, "at most", MOST_ATTEMPTS, "", doubt),
    ]


def _spike(rig: Rig, target: Target, c: float, seconds: float) -> tuple[Seen, list[float]]:
    """(the trial, share of good calls per bucket of the cycle). At least one whole cycle after a warm-up of one."""
    count = max(1, int(seconds / CYCLE_S) - 1)
    steps = tuple((cycle * CYCLE_S + start_s, load) for cycle in range(count + 1) for start_s, load in SPIKE)
    trial = replace(rig.trial(target, c, 1.0, DEADLINE_S), steps=steps, warm_up_s=CYCLE_S, duration_s=count * CYCLE_S)
    seen = see(trial, target)
    calls = seen.measured.samples.measured(trial.warm_up_s)
    good = [outcome == OK and latency_s <= DEADLINE_S for outcome, latency_s in zip(calls.outcome, calls.latency_s, strict=True)]
    return seen, folded_shares(calls.planned_s, good, CYCLE_S, BUCKET_S)


def _recovery(seen: Seen, shares: Sequence[float]) -> Check:
    after = shares[round(SPIKE_END_S / BUCKET_S) :]
    found_ms = recovery_s(after, BUCKET_S, LEAST_SHARE) * 1e3
    what = f"time from the end of a spike until {LEAST_SHARE:.0%} are in time"
    return Check(what, found_ms, "at most", MOST_RECOVERY_S * 1e3, "ms", doubts([seen.point]))


def _goodput_curve(curve: dict[float, Seen], c: float, costs: Costs) -> Curve:
    bound = [(load, goodput_bound(load, costs.refused_s, costs.served_s)) for load in curve]
    found = [(load, seen.point.goodput_per_s / c) for load, seen in curve.items()]
    return Curve("Goodput by offered load", "offered, of C", "goodput, of C", {"goodput": found, "bound": bound})


def _spike_curve(shares: Sequence[float]) -> Curve:
    points = [(round(number * BUCKET_S, 1), 100 * share) for number, share in enumerate(shares) if not math.isnan(share)]
    return Curve("In time through a spike", f"seconds: {SPIKE_WORDS}", "in time, %", {"in time": points})


def _grid(curve: dict[float, Seen], c: float) -> Grid:
    headings = ["offered, of C", "sent/s", "goodput/s", "of C", "p99 ms", "failures", "degraded", "client cores", "server cores"]
    return Grid("Goodput by offered load", headings, [_row(load, seen, c) for load, seen in curve.items()])


def _row(load: float, seen: Seen, c: float) -> list[str]:
    point = seen.point
    failures = ", ".join(f"{name} {count}" for name, count in point.failures.items()) or "-"
    cores = "-" if point.server_cores is None else f"{point.server_cores:.2f}"
    goodput = [f"{point.goodput_per_s:.1f}", f"{point.goodput_per_s / c:.1%}"]
    return [
        *(f"{load:g}", f"{point.achieved_per_s:.0f}", *goodput, f"{point.latency.p99_ms:.1f}"),
        *(failures, f"{point.degraded_share:.1%}", f"{point.client_cores:.2f}", cores),
    ]
