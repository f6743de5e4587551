"""What the measurements of bench.promise.overload say: lines, curves and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from bench.promise import overload
from bench.promise.arithmetic import goodput_bound, recovery_s
from bench.promise.capacity import DEADLINE_S, mistaken
from bench.promise.outcome import Outcome, known, outcome_of_json
from bench.promise.overload import BUCKET_S, COOPERATIVE_LOAD, LOADS, SPIKE_STEPS, UNPROTECTED_LOAD
from bench.promise.parts import Parts
from bench.promise.proof import Check, Curve, Grid, Proof, doubts
from bench.promise.rig import Rig
from bench.promise.world import COSTS_MS

LEAST_SHARE, LEAST_GAIN, MOST_ATTEMPTS, MOST_RECOVERY_S = 0.95, 3.0, 1.10, 0.5
SPIKE_END_S = SPIKE_STEPS[-1][0]
SPIKE_WORDS = ", ".join(f"{load:g} C from {start_s:g} s" for start_s, load in SPIKE_STEPS)


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of the server per call; nan where that was not measured."""

    refused_s: float
    served_s: float


def report(rig: Rig, parts: Parts) -> Proof:
    """All that was measured. What was found with another ranker than the heaviest has a name of its own."""
    ranker = rig.rankers[-1]
    name = "overload" if ranker == list(COSTS_MS)[-1] else f"overload-{ranker}"
    title, words = f"Goodput when everyone calls at once, {COSTS_MS[ranker]:g} ms ranker", ""
    if overload.floored(rig):
        name, words = "overload-floored", f", {' '.join(overload.FLOORED_WORDS)}"
    proof = Proof(name, title + words, rig.seed)
    c = parts.get(overload.C)
    if not c:
        return proof
    curve = {load: seen for load in LOADS if (seen := known(parts, overload.at_load(load)))}
    costs, shares = _costs(parts, curve), parts.get(overload.SPIKE)["shares"] if overload.SPIKE in parts else []
    proof.checks = _checks(parts, curve, costs)
    proof.points = [asdict(seen.point) for seen in curve.values()]
    proof.curves = [_goodput_curve(curve, c, costs), _spike_curve(shares)]
    proof.grids = [_grid(curve, c)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker, deadline {DEADLINE_S * 1e3:g} ms, C = {c:.1f}/s",
        f"{overload.trial_s(rig):.1f} s per rate, the first fifth not counted",
        f"a refused call costs the server {costs.refused_s * 1e6:.0f} us of CPU (r), one served at C {costs.served_s * 1e3:.2f} ms (s)",
        "the bound is g(L) = (1 - L r/s) / (1 - r/s), with L as it was achieved",
        *_cooperation_fact(known(parts, overload.COOPERATIVE)),
        f"spike: {SPIKE_WORDS}, repeated and folded, in buckets of {BUCKET_S * 1e3:g} ms",
    ]
    return proof


def _costs(parts: Parts, curve: Mapping[float, Outcome]) -> Costs:
    refused_s, at_c = parts.get(overload.REFUSAL), curve.get(1.0)
    served_s = at_c.cost_s(parts.get(overload.IDLE), at_c.ok_count) if at_c else math.nan
    return Costs(math.nan if refused_s is None else refused_s, served_s)


def _checks(parts: Parts, curve: Mapping[float, Outcome], costs: Costs) -> list[Check]:
    """Those whose parts are there."""
    c, checks = parts.get(overload.C), []
    if 2.0 in curve:
        checks.append(_share_of("goodput at 2 C, of C", curve[2.0], c))
    checks += [_bound_check(load, curve[load], c, costs) for load in (5.0, 10.0) if load in curve]
    if UNPROTECTED_LOAD in curve and overload.UNPROTECTED in parts:
        checks.append(_gain(curve[UNPROTECTED_LOAD], _unprotected(parts)))
    if spike := parts.get(overload.SPIKE):
        checks.append(_recovery(outcome_of_json(spike["outcome"]), spike["shares"]))
    if cooperative := known(parts, overload.COOPERATIVE):
        checks += _cooperation(cooperative, c)
    wrong = mistaken([seen.point for seen in curve.values()], c)
    return [replace(check, doubt=check.doubt or wrong) for check in checks]


def _unprotected(parts: Parts) -> Outcome | None:
    """The server without admission; None where it has no such setting."""
    return known(parts, overload.UNPROTECTED) if parts.get(overload.UNPROTECTED) else None


def _bound_check(load: float, seen: Outcome, c: float, costs: Costs) -> Check:
    bound = goodput_bound(seen.point.achieved_per_s / c, costs.refused_s, costs.served_s) * c
    return _share_of(f"goodput at {load:g} C, of the bound {bound / c:.1%} C", seen, bound)


def _share_of(what: str, seen: Outcome, whole_per_s: float) -> Check:
    share = seen.point.goodput_per_s / whole_per_s if whole_per_s else math.nan
    return Check(what, share, "at least", LEAST_SHARE, doubt=doubts([seen.point]))


def _gain(ours: Outcome, unprotected: Outcome | None) -> Check:
    what = f"goodput at {UNPROTECTED_LOAD:g} C, over that of the same server without admission"
    if unprotected is None:
        return Check(what, math.nan, "at least", LEAST_GAIN, "x", "the server cannot turn admission off")
    other = unprotected.point.goodput_per_s
    gain = ours.point.goodput_per_s / other if other else math.inf
    return Check(what, gain, "at least", LEAST_GAIN, "x", doubts([ours.point, unprotected.point]))


def _cooperation(seen: Outcome, c: float) -> list[Check]:
    doubt = doubts([seen.point])
    return [
        Check(f"client half, {COOPERATIVE_LOAD:g} C: goodput, of C", seen.point.goodput_per_s / c, "at least", LEAST_SHARE, doubt=doubt),
        Check(f"client half, {COOPERATIVE_LOAD:g} C: attempts per call", seen.point.attempts_per_call, "at most", MOST_ATTEMPTS, "", doubt),
    ]


def _cooperation_fact(seen: Outcome | None) -> list[str]:
    if seen is None:
        return []
    return [f"client half at {COOPERATIVE_LOAD:g} C: offered {seen.point.offered_per_s:.0f}/s, failures {seen.point.failures}"]


def _recovery(seen: Outcome, shares: Sequence[float]) -> Check:
    after = shares[round(SPIKE_END_S / BUCKET_S) :]
    found_ms = recovery_s(after, BUCKET_S, LEAST_SHARE) * 1e3
    what = f"time from the end of a spike until {LEAST_SHARE:.0%} are in time"
    return Check(what, found_ms, "at most", MOST_RECOVERY_S * 1e3, "ms", doubts([seen.point]))


def _goodput_curve(curve: Mapping[float, Outcome], c: float, costs: Costs) -> Curve:
    known_costs = not math.isnan(costs.refused_s + costs.served_s)
    bound = [(load, goodput_bound(load, costs.refused_s, costs.served_s)) for load in curve] if known_costs else []
    found = [(load, seen.point.goodput_per_s / c) for load, seen in curve.items()]
    return Curve("Goodput by offered load", "offered, of C", "goodput, of C", {"goodput": found, "bound": bound})


def _spike_curve(shares: Sequence[float]) -> Curve:
    points = [(round(number * BUCKET_S, 1), 100 * share) for number, share in enumerate(shares) if not math.isnan(share)]
    return Curve("In time through a spike", f"seconds: {SPIKE_WORDS}", "in time, %", {"in time": points})


def _grid(curve: Mapping[float, Outcome], c: float) -> Grid:
    headings = ["offered, of C", "sent/s", "goodput/s", "of C", "p99 ms", "failures", "degraded", "client cores", "server cores"]
    return Grid("Goodput by offered load", headings, [_row(load, seen, c) for load, seen in curve.items()])


def _row(load: float, seen: Outcome, c: float) -> list[str]:
    point = seen.point
    failures = ", ".join(f"{name} {count}" for name, count in point.failures.items()) or "-"
    cores = "-" if point.server_cores is None else f"{point.server_cores:.2f}"
    goodput = [f"{point.goodput_per_s:.1f}", f"{point.goodput_per_s / c:.1%}"]
    return [
        *(f"{load:g}", f"{point.achieved_per_s:.0f}", *goodput, f"{point.latency.p99_ms:.1f}"),
        *(failures, f"{point.degraded_share:.1%}", f"{point.client_cores:.2f}", cores),
    ]
