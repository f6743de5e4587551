"""Interactive calls beside ten times as many batch calls as the server can take."""

from __future__ import annotations

from dataclasses import asdict, replace

from bench.promise.capacity import DEADLINE_S, capacity
from bench.promise.outcome import outcome_of, outcome_of_json
from bench.promise.parts import Parts
from bench.promise.proof import Check, Proof, doubts, too_few
from bench.promise.rig import Rig, see_together
from bench.promise.world import COSTS_MS

INTERACTIVE_LOAD, BATCH_LOAD = 0.6, 10.0  # of C
LEAST_IN_TIME = 0.995
CALL_COUNT = 1_000  # interactive ones: half a percent of fewer is a matter of chance
BOTH = "both"


def measure(rig: Rig, parts: Parts) -> None:
    """Both kinds at once, each from a process of its own; with the last of the rig's rankers."""
    if BOTH in parts:
        return
    ranker = rig.rankers[-1]
    c = capacity(rig, ranker)
    with rig.serve(ranker)() as target:
        interactive = replace(rig.trial(target, INTERACTIVE_LOAD * c, rig.seconds, DEADLINE_S), priority="interactive")
        batch = replace(rig.trial(target, BATCH_LOAD * c, rig.seconds, DEADLINE_S), priority="batch", seed=rig.seed + 1)
        people, flood = see_together([interactive, batch], target)
    parts.keep(BOTH, {"c": c, "people": asdict(outcome_of(people)), "flood": asdict(outcome_of(flood))})


def report(rig: Rig, parts: Parts) -> Proof:
    """What is known of it."""
    proof = Proof("priorities", "Interactive calls beside a flood of batch calls", rig.seed)
    found = parts.get(BOTH)
    if not found:
        return proof
    people, flood, c = outcome_of_json(found["people"]), outcome_of_json(found["flood"]), found["c"]
    share = people.point.good_share
    doubt = doubts([people.point]) if share < LEAST_IN_TIME else too_few(people.count, CALL_COUNT)
    sent = flood.point.achieved_per_s / (BATCH_LOAD * c)
    proof.checks = [
        Check(f"interactive at {INTERACTIVE_LOAD:g} C beside batch at {BATCH_LOAD:g} C: in time", share, "at least", LEAST_IN_TIME, doubt=doubt),
        Check("batch calls sent, of those planned", sent, "at least", 0.95),
    ]
    proof.points = [asdict(people.point), asdict(flood.point)]
    proof.facts = [
        f"{COSTS_MS[rig.rankers[-1]]:g} ms ranker, deadline {DEADLINE_S * 1e3:g} ms, C = {c:.1f}/s",
        f"{people.count} interactive calls, {flood.count} batch calls",
        f"interactive: {people.point.goodput_per_s:.1f}/s in time, failures {people.point.failures}, {people.point.degraded_share:.1%} degraded",
        f"batch: {flood.point.goodput_per_s:.1f}/s in time of {flood.point.achieved_per_s:.0f}/s sent, failures {flood.point.failures}",
    ]
    return proof
