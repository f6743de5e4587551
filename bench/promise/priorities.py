"""Interactive calls beside ten times as many batch calls as the server can take."""

from __future__ import annotations

from dataclasses import asdict, replace

from bench.promise.capacity import DEADLINE_S, capacity
from bench.promise.proof import Check, Proof, doubts
from bench.promise.rig import Rig, see_together
from bench.promise.world import COSTS_MS

INTERACTIVE_LOAD, BATCH_LOAD = 0.6, 10.0  # of C
LEAST_IN_TIME = 0.995
SEARCH_SECONDS = 40.0


def prove(rig: Rig) -> Proof:
    """Both kinds at once, each from a process of its own; with the last of the rig's rankers."""
    ranker = rig.rankers[-1]
    proof = Proof("priorities", "Interactive calls beside a flood of batch calls", rig.seed)
    c = capacity(replace(rig, seconds=min(rig.seconds, SEARCH_SECONDS)), ranker)
    with rig.serve(ranker)() as target:
        interactive = replace(rig.trial(target, INTERACTIVE_LOAD * c, rig.seconds, DEADLINE_S), priority="interactive")
        batch = replace(rig.trial(target, BATCH_LOAD * c, rig.seconds, DEADLINE_S), priority="batch", seed=rig.seed + 1)
        people, flood = see_together([interactive, batch], target)
    share = people.point.good_share
    late = doubts([people.point]) if share < LEAST_IN_TIME else ""
    sent = flood.point.achieved_per_s / (BATCH_LOAD * c)
    proof.checks = [
        Check(f"interactive at {INTERACTIVE_LOAD:g} C beside batch at {BATCH_LOAD:g} C: in time", share, "at least", LEAST_IN_TIME, doubt=late),
        Check("batch calls sent, of those planned", sent, "at least", 0.95),
    ]
    proof.points = [asdict(people.point), asdict(flood.point)]
    proof.facts = [
        f"{COSTS_MS[ranker]:g} ms ranker, deadline {DEADLINE_S * 1e3:g} ms, C = {c:.1f}/s",
        f"interactive: {people.point.goodput_per_s:.1f}/s in time, failures {people.point.failures}, {people.point.degraded_share:.1%} degraded",
        f"batch: {flood.point.goodput_per_s:.1f}/s in time of {flood.point.achieved_per_s:.0f}/s sent, failures {flood.point.failures}",
    ]
    return proof
