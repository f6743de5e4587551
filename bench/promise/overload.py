"""More calls than the server can take: goodput from 0.2 to 10 times C, after a spike, without admission, and with clients that help."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from bench.load import Target
from bench.promise.arithmetic import folded_shares
from bench.promise.capacity import DEADLINE_S, capacity
from bench.promise.outcome import once, outcome_of
from bench.promise.parts import Parts
from bench.promise.rig import Rig, Seen, idle_cores, see
from loadtest.open_loop.trial import OK

LOADS = (0.2, 0.5, 0.8, 1.0, 2.0, 5.0, 10.0)  # of C
UNPROTECTED_WORDS = ("--admission", "off")
UNPROTECTED_LOAD = 2.0
FLOORED_WORDS = (
    "--brown-out-floor",
    "0.1",
)  # so that a generator keeps up with ten times as many as can be served
COOPERATIVE_LOAD = 10.0
SPIKE_STEPS = ((0.0, 0.7), (2.0, 2.0), (4.0, 0.7))  # (moment, load) of one cycle
CYCLE_S, BUCKET_S = 6.0, 0.1
STUCK_S = 3.0  # that the threads of the server whose refusals are counted are taken for
REFUSAL_RATE_PER_S = 6_000.0  # as many as one core sends without being late: a worker that wakes up for each refusal spends more on it
IDLE_S = 2.0
C, IDLE, COOPERATIVE, SPIKE, REFUSAL, UNPROTECTED = "C", "idle", "client half", "spike", "refusal", "without admission"


def measure(rig: Rig, parts: Parts) -> None:
    """The whole curve, with one ranker: the last of the rig's. The seconds are for everything but the search of C."""
    ranker = rig.rankers[-1]
    c, seconds = parts.once(C, lambda: capacity(rig, ranker)), trial_s(rig)
    if not all(name in parts for name in (IDLE, *map(at_load, LOADS), COOPERATIVE, SPIKE)):
        with rig.serve(ranker)() as target:
            _measure_protected(rig, parts, target, c)
    parts.once(REFUSAL, lambda: _refused_s(rig, ranker, seconds))
    if not floored(rig):
        parts.once(UNPROTECTED, lambda: _unprotected(rig, ranker, c, seconds))


def _measure_protected(rig: Rig, parts: Parts, target: Target, c: float) -> None:
    """With admission as it is."""
    seconds = trial_s(rig)
    parts.once(IDLE, lambda: idle_cores(target, min(IDLE_S, seconds)))
    for load in LOADS:
        once(parts, at_load(load), partial(_see, rig, target, load * c, seconds))
    once(parts, COOPERATIVE, lambda: _see(rig, target, COOPERATIVE_LOAD * c, seconds, cooperative=True))
    parts.once(SPIKE, lambda: _spike(rig, target, c, 2 * seconds))


def floored(rig: Rig) -> bool:
    """Whether answers have a least size. Without admission everybody gets a smaller one: nothing to compare with."""
    return rig.words[: len(FLOORED_WORDS)] == FLOORED_WORDS


def at_load(load: float) -> str:
    """The part of the curve."""
    return f"{load:g} C"


def trial_s(rig: Rig) -> float:
    """Of each rate, warm-up included."""
    return rig.seconds / (len(LOADS) + 5)  # and: off, client half, spike (2), refusals


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
    return outcome_of(seen).cost_s(idle, refused)


def _unprotected(rig: Rig, ranker: str, c: float, seconds: float) -> dict[str, Any] | None:
    """The same server with admission off; None where it has no such setting."""
    try:
        with rig.serve(ranker, *UNPROTECTED_WORDS)() as target:
            return asdict(outcome_of(_see(rig, target, UNPROTECTED_LOAD * c, seconds)))
    except RuntimeError as problem:
        print(f"  without admission: {problem}", flush=True)
        return None


def _spike(rig: Rig, target: Target, c: float, seconds: float) -> dict[str, Any]:
    """{"outcome", "shares": of good calls, per bucket of the cycle}. At least one whole cycle after a warm-up of one."""
    count = max(1, int(seconds / CYCLE_S) - 1)
    steps = tuple((cycle * CYCLE_S + start_s, load) for cycle in range(count + 1) for start_s, load in SPIKE_STEPS)
    trial = replace(rig.trial(target, c, 1.0, DEADLINE_S), steps=steps, warm_up_s=CYCLE_S, duration_s=count * CYCLE_S)
    seen = see(trial, target)
    calls = seen.measured.samples.measured(trial.warm_up_s)
    good = [outcome == OK and latency_s <= DEADLINE_S for outcome, latency_s in zip(calls.outcome, calls.latency_s, strict=True)]
    return {"outcome": asdict(outcome_of(seen)), "shares": folded_shares(calls.planned_s, good, CYCLE_S, BUCKET_S)}
