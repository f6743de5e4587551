"""What calls cost that their callers give up."""

from __future__ import annotations

from dataclasses import asdict, replace

from bench.promise.proof import Check, Proof, doubts
from bench.promise.rig import CONNECTION_COUNT, Rig, Seen, idle_cores, see
from bench.promise.world import COSTS_MS
from loadtest.open_loop.trial import CANCELED, OK

DEADLINE_S = 2.0  # far away: nobody saves work by being late
CANCEL_SHARE = 0.1  # of the service time
LOAD = 0.5  # of what one core serves
CALL_COUNT = 1_000
MOST_COST = 0.30
LEAST_CANCELED = 0.99
SINGLE_RATE_PER_S = 5.0  # so few that hardly two meet


def prove(rig: Rig) -> Proof:
    """CALL_COUNT calls served, then as many given up, at the same moments; fewer where the seconds do not suffice. With the last of the rankers."""
    ranker = rig.rankers[-1]
    proof = Proof("cancels", "Calls that are given up cost little", rig.seed)
    with rig.serve(ranker)() as target:
        alone = see(rig.trial(target, SINGLE_RATE_PER_S, rig.seconds / 10, DEADLINE_S), target)
        service_s = alone.point.latency.p50_ms / 1e3
        idle = idle_cores(target, min(2.0, rig.seconds / 10))
        rate_per_s = LOAD / service_s
        duration_s = min(CALL_COUNT / rate_per_s, rig.seconds * 0.4)
        trial = replace(rig.trial(target, rate_per_s, 1.0, DEADLINE_S), warm_up_s=0.0, duration_s=duration_s, connection_count=CONNECTION_COUNT)
        served = see(trial, target)
        canceled = see(replace(trial, cancel_after_s=CANCEL_SHARE * service_s), target)
    costs = [_cost_s(seen, idle) for seen in (served, canceled)]
    count = canceled.measured.samples.count
    given_up = canceled.measured.samples.outcome.count(CANCELED) / count
    proof.checks = [
        Check(f"CPU of {count} calls canceled at a tenth of their service time, of serving them", costs[1] / costs[0], "at most", MOST_COST),
        Check("calls that were canceled indeed", given_up, "at least", LEAST_CANCELED, doubt=doubts([canceled.point])),
        Check("calls answered where none is canceled", served.measured.samples.outcome.count(OK) / served.measured.samples.count, "at least", 0.99),
    ]
    proof.points = [asdict(served.point)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker; service time {service_s * 1e3:.2f} ms (median of single calls), {rate_per_s:.1f} calls a second",
        f"CPU of the server per call: {costs[0] * 1e3:.2f} ms served, {costs[1] * 1e3:.2f} ms canceled, the idle server's share left out",
    ]
    return proof


def _cost_s(seen: Seen, idle: float) -> float:
    """CPU of the server per planned call."""
    return (seen.cpu_s - idle * seen.trial.duration_s) / seen.measured.samples.count
