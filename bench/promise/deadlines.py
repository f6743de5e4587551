"""Five deadlines, two rankers, three loads: answered in time, and as good as whoever else is in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.load import Target
from bench.promise import rivals
from bench.promise.answers import full_gains, mean_ndcg
from bench.promise.capacity import FIRST_RATE_PER_S, capacity_of
from bench.promise.cells import LEAST_IN_TIME, LOADS, OURS, TIE, Cell, checks, curve, grid
from bench.promise.parts import Parts
from bench.promise.plans import OPTIONS
from bench.promise.proof import Proof, doubts
from bench.promise.rig import Rig, Seen, Serve, see
from bench.promise.world import ensure_bundle

LEAST_CALLS = 400  # of a cell, if that takes at most MOST_TIMES as long as the others
MOST_TIMES = 4.0
MOST_WARM_UP_S = 1.0
OURS_TIMES = 4.0  # as long as a rival's: 99.5 % of two seconds tells of one bad moment of the machine, not of the server
_DOWN = OPTIONS.percentile / (100 - OPTIONS.percentile)  # steps that the quality factor loses with a late call

Gains = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where everybody is measured, at the same rate."""

    ranker: str
    deadline_ms: float
    load: float
    rate_per_s: float

    def name(self, contestant: str, seconds: float) -> str:
        """Of the part."""
        return f"{contestant}, {self.ranker}, {self.deadline_ms:g} ms, {self.load:g} C = {self.rate_per_s:.2f}/s for {seconds:.2f} s"


def measure(rig: Rig, parts: Parts) -> None:
    """Everybody at the same rates. The seconds are shared by all cells but Earshot's own; those and searching each C come on top."""
    for ranker in rig.rankers:
        if _complete(rig, parts, ranker, [OURS, *rivals.names()]):
            continue
        ensure_bundle(rig.world, ranker)
        full = _full(rig, ranker)
        if not _complete(rig, parts, ranker, [OURS]):
            _measure_ours(rig, parts, ranker, full)
        for name in rivals.names():
            _measure(rig, parts, name, _places(parts, ranker), full)


def report(rig: Rig, parts: Parts) -> Proof:
    """All cells that there are."""
    proof = Proof("deadlines", "Deadlines are kept, with the best answer that keeps them", rig.seed)
    values = [value for ranker in rig.rankers for value in _values(rig, parts, ranker)]
    cells = [Cell(**value["cell"]) for value in values]
    proof.checks = checks(cells)
    proof.grids = [grid(cells, ranker) for ranker in rig.rankers]
    proof.curves = [curve(cells, ranker) for ranker in rig.rankers]
    proof.points = [value["point"] for value in values if value["point"]]
    counts = [cell.call_count for cell in cells if cell.call_count]
    proof.facts = [
        f"{rig.world.user_count} users drawn evenly, pages of 20 from 500 candidates of {rig.world.creator_count:,}",
        f"{len(counts)} cells measured, with {min(counts, default=0):,} to {max(counts, default=0):,} calls",
        "rates are shares of Earshot's own C with that ranker and deadline, found right before Earshot was measured there",
        f"Earshot's cells are {OURS_TIMES:g} times as long as the others; its NDCG is that of the same calls as theirs",
        "NDCG@20 of the answers in time; the gain of a creator is its score by the full work for that user, less the least of the 500",
        "fixed n: the same server, but it ranks the first n of the 500 whatever the time left, and the rest follow by similarity; no brown-out",
        f"QualityFactor: likewise; n goes up by {OPTIONS.delta:g} of 500 after a call in time, {_DOWN:.0f} times as far down after others",
        f"a contestant is held against only where it keeps {LEAST_IN_TIME:.1%} itself; differences of NDCG up to {TIE} are ties",
        "not measured: a fixed n whose ranking alone takes longer than the deadline, or that is smaller than one in time at the same place",
        f"nor is a fixed n that had less than {rivals.LEAST_HOPE:.0%} in time at a lower load of the same deadline",
    ]
    return proof


def _places(parts: Parts, ranker: str) -> list[Place]:
    """All deadlines and loads whose C is known; at rate 0 where no rate holds the deadline."""
    return [Place(**value) for value in parts.get(_order(ranker)) or []]


def _complete(rig: Rig, parts: Parts, ranker: str, names: Iterable[str]) -> bool:
    places = _places(parts, ranker)
    return len(places) == len(rig.deadlines_ms) * len(LOADS) and all(_part(rig, place, name) in parts for name in names for place in places)


def _measure_ours(rig: Rig, parts: Parts, ranker: str, full: Gains) -> None:
    """Earshot, at each C right after it was found: where the machine is slow for a while, both are of that while."""
    places: list[Place] = []
    first = FIRST_RATE_PER_S
    with _server(rig, ranker, OURS)() as target:
        for deadline_ms in rig.deadlines_ms:
            c = capacity_of(rig, target, ranker, deadline_ms / 1e3, first)
            first = c or first
            here = [Place(ranker, deadline_ms, load, load * c) for load in LOADS]
            places += here
            parts.keep(_order(ranker), [asdict(place) for place in places])
            for place in here:
                _measure_at(rig, parts, OURS, place, full, lambda: target)


def _measure(rig: Rig, parts: Parts, name: str, places: Iterable[Place], full: Gains) -> None:
    """One rival at all places where that is still to be done; its server is started for the first of them."""
    with ExitStack() as stack:
        target: Target | None = None

        def served() -> Target:
            nonlocal target
            target = target or stack.enter_context(_server(rig, place.ranker, name)())
            return target

        for place in places:
            _measure_at(rig, parts, name, place, full, served)


def _measure_at(rig: Rig, parts: Parts, name: str, place: Place, full: Gains, served: Callable[[], Target]) -> None:
    """served: gives the contestant's server."""
    if _part(rig, place, name) in parts:
        return
    if skipped := _why_skipped(rig, parts, name, place):
        parts.keep(_part(rig, place, name), {"cell": asdict(_skipped(name, place, skipped)), "point": None})
        return
    seen = _see(rig, served(), place, _seconds(rig, place, name))
    point = asdict(seen.point) if name == OURS else None
    parts.keep(_part(rig, place, name), {"cell": asdict(_cell(rig, name, place, seen, full)), "point": point})


def _see(rig: Rig, target: Target, place: Place, seconds: float) -> Seen:
    trial = rig.trial(target, place.rate_per_s, seconds, place.deadline_ms / 1e3)
    warm_up_s = min(trial.warm_up_s, MOST_WARM_UP_S)
    return see(replace(trial, warm_up_s=warm_up_s, duration_s=seconds - warm_up_s, keeps_slates=True), target)


def _cell(rig: Rig, name: str, place: Place, seen: Seen, full: Gains) -> Cell:
    """Quality is judged here, after the last call of the trial, by the calls that everybody has had."""
    quality = mean_ndcg(seen.measured.samples, seen.trial, full, cell_s(rig, place.rate_per_s))
    count = seen.measured.samples.measured(seen.trial.warm_up_s).count
    where = (name, place.ranker, place.deadline_ms, place.load, place.rate_per_s)
    cell = Cell(*where, seen.point.good_share, quality, doubts([seen.point]), call_count=count)
    told = f"{name:14} {place.ranker:6} {place.deadline_ms:4g} ms {place.load:g} C = {place.rate_per_s:7.1f}/s"
    print(f"  {told}   {cell.in_time:8.2%} of {count:5}   NDCG {quality:.4f}", flush=True)
    return cell


def _skipped(name: str, place: Place, why: str) -> Cell:
    return Cell(name, place.ranker, place.deadline_ms, place.load, place.rate_per_s, math.nan, math.nan, skipped=why)


def _why_skipped(rig: Rig, parts: Parts, name: str, place: Place) -> str:
    if not place.rate_per_s:
        return "no rate holds this deadline"
    cells = [Cell(**value["cell"]) for value in _values(rig, parts, place.ranker)]
    return rivals.why_skipped(name, (place.ranker, place.deadline_ms, place.load), cells)


def _values(rig: Rig, parts: Parts, ranker: str) -> list[dict[str, Any]]:
    """What is kept of a ranker, contestant by contestant."""
    places = _places(parts, ranker)
    found = [parts.get(_part(rig, place, name)) for name in [OURS, *rivals.names()] for place in places]
    return [value for value in found if value]


def _server(rig: Rig, ranker: str, name: str) -> Serve:
    return rig.serve(ranker) if name == OURS else rig.contestant(ranker, rivals.plan_of(name))


def _full(rig: Rig, ranker: str) -> Gains:
    with rig.contestant(ranker, "full")() as target:
        return full_gains(target, rig.world.user_ids)


def _part(rig: Rig, place: Place, name: str) -> str:
    return place.name(name, _seconds(rig, place, name))


def _order(ranker: str) -> str:
    return f"places, {ranker}"


def _seconds(rig: Rig, place: Place, name: str) -> float:
    """How long a cell is measured, warm-up included."""
    return cell_s(rig, place.rate_per_s) * (OURS_TIMES if name == OURS else 1.0)


def cell_s(rig: Rig, rate_per_s: float) -> float:
    """How long a rival's cell is: an even share of the time, and longer where that would be few calls. The quality of all is that of so long."""
    even_s = rig.seconds / (len(rig.rankers) * (1 + len(rivals.names())) * len(rig.deadlines_ms) * len(LOADS))
    enough_s = MOST_WARM_UP_S + LEAST_CALLS / rate_per_s if rate_per_s else 0.0
    return min(max(even_s, enough_s), MOST_TIMES * even_s)
