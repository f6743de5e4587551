"""What calls cost that their callers give up."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

from bench.load import Target
from bench.promise.outcome import Outcome, known, once
from bench.promise.parts import Parts
from bench.promise.proof import Check, Proof, doubts, too_few
from bench.promise.rig import Rig, Seen, idle_cores, see
from bench.promise.world import COSTS_MS
from loadtest.open_loop.trial import Trial

DEADLINE_S = 2.0  # far away: nobody saves work by being late
CANCEL_SHARE = 0.1  # of the service time
LOAD = 0.6  # of what one core serves
CALL_COUNT = 1_000
SPARE = 1.1  # as chance makes fewer of them; a tenth is three deviations
MOST_COST = 0.30
LEAST_CANCELED = 0.99
SINGLE_RATE_PER_S = 5.0  # so few that hardly two meet
SINGLE_SHARE, LEAST_SINGLE_S, IDLE_S = 0.05, 3.0, 2.0
SINGLE, IDLE, SERVED, CANCELED = "single", "idle", "served", "canceled"


def measure(rig: Rig, parts: Parts) -> None:
    """CALL_COUNT calls served, then as many given up, at the same moments; fewer where the seconds do not suffice. With the last of the rankers."""
    if all(name in parts for name in (SINGLE, IDLE, SERVED, CANCELED)):
        return
    with rig.serve(rig.rankers[-1])() as target:
        single = once(parts, SINGLE, lambda: see(rig.trial(target, SINGLE_RATE_PER_S, _single_s(rig), DEADLINE_S), target))
        parts.once(IDLE, lambda: idle_cores(target, min(IDLE_S, rig.seconds * SINGLE_SHARE)))
        trial, after_s = _trial(rig, target, _service_s(single)), CANCEL_SHARE * _service_s(single)
        once(parts, SERVED, lambda: see(trial, target))
        once(parts, CANCELED, lambda: _canceled(trial, target, after_s))


def report(rig: Rig, parts: Parts) -> Proof:
    """What is known of it."""
    proof = Proof("cancels", "Calls that are given up cost little", rig.seed)
    single, served, canceled = (known(parts, name) for name in (SINGLE, SERVED, CANCELED))
    if not (single and served and canceled):
        proof.facts = [f"measured so far: {name}" for name in (SINGLE, SERVED, CANCELED) if name in parts]
        return proof
    idle = parts.get(IDLE)
    costs = [one.cost_s(idle, one.count) for one in (served, canceled)]
    proof.checks = _checks(served, canceled, costs)
    proof.points = [asdict(served.point)]
    service_s = _service_s(single)
    proof.facts = [
        f"{COSTS_MS[rig.rankers[-1]]:g} ms ranker; service time {service_s * 1e3:.2f} ms (median of {single.count} single calls)",
        f"{served.count} calls served, {canceled.count} canceled, {LOAD / service_s:.1f} calls a second",
        f"CPU of the server per call: {costs[0] * 1e3:.2f} ms served, {costs[1] * 1e3:.2f} ms canceled, the idle server's share left out",
    ]
    return proof


def _checks(served: Outcome, canceled: Outcome, costs: list[float]) -> list[Check]:
    count, few = canceled.count, too_few(canceled.count, CALL_COUNT)
    what = f"CPU of {count} calls canceled at a tenth of their service time, of serving them"
    share, answered = (part / count if count else math.nan for part, count in ((canceled.canceled_count, count), (served.ok_count, served.count)))
    return [
        Check(what, costs[1] / costs[0], "at most", MOST_COST, doubt=few),
        Check("calls that were canceled indeed", share, "at least", LEAST_CANCELED, doubt=few or doubts([canceled.point])),
        Check("calls answered where none is canceled", answered, "at least", 0.99, doubt=too_few(served.count, CALL_COUNT)),
    ]


def _trial(rig: Rig, target: Target, service_s: float) -> Trial:
    rate_per_s = LOAD / service_s
    most_s = rig.seconds * (1.0 - 2.0 * SINGLE_SHARE) / 2.0
    trial = rig.trial(target, rate_per_s, 1.0, DEADLINE_S)
    return replace(trial, warm_up_s=0.0, duration_s=min(SPARE * CALL_COUNT / rate_per_s, most_s))


def _canceled(trial: Trial, target: Target, after_s: float) -> Seen:
    return see(replace(trial, cancel_after_s=after_s), target)


def _single_s(rig: Rig) -> float:
    return max(LEAST_SINGLE_S, rig.seconds * SINGLE_SHARE)


def _service_s(single: Outcome) -> float:
    """Raises RuntimeError where no single call was measured."""
    if not single.count:
        raise RuntimeError("no single call was measured; give it more seconds")
    return single.point.latency.p50_ms / 1e3
