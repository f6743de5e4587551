"""Five deadlines, two rankers, three loads: answered in time, and as good as whoever else is in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

from bench.promise.answers import full_gains, mean_ndcg
from bench.promise.capacity import capacity, trial_s
from bench.promise.plans import OPTIONS
from bench.promise.proof import Check, Curve, Grid, Proof, doubts
from bench.promise.rig import Rig, Seen, Serve, see
from bench.promise.world import COSTS_MS, ensure_bundle

LOADS = (0.2, 0.5, 0.8)  # of C at that deadline
COUNTS = (20, 50, 100, 200, 500)
LEAST_IN_TIME = 0.995
TIE = 0.001  # of NDCG: less is no difference. Users are drawn with the same seed for everybody, so chance is the same for all
OURS = "Earshot"
SEARCH_SECONDS = 30.0  # for each C
_DOWN = OPTIONS.percentile / (100 - OPTIONS.percentile)  # steps that the quality factor loses with a late call


@dataclass(frozen=True, slots=True)
class Cell:
    """One contestant at one deadline and load. ndcg: of the answers in time."""

    contestant: str
    ranker: str
    deadline_ms: float
    load: float
    rate_per_s: float
    in_time: float
    ndcg: float
    doubt: str

    @property
    def contends(self) -> bool:
        """Whether it keeps the deadline too: only then is its quality a standard."""
        return self.in_time >= LEAST_IN_TIME

    @property
    def place(self) -> tuple[str, float, float]:
        """Where it may be compared."""
        return self.ranker, self.deadline_ms, self.load


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who is measured with which ranker, and how its server is started."""

    name: str
    ranker: str
    serve: Serve


def prove(rig: Rig) -> Proof:
    """Everybody at the same rates. The seconds are shared by all trials; searching each C comes on top."""
    proof = Proof("deadlines", "Deadlines are kept, with the best answer that keeps them", rig.seed)
    cells: list[Cell] = []
    for ranker in rig.rankers:
        rates = _rates(rig, ranker)
        with rig.contestant(ranker, "full")() as target:
            full = full_gains(target, rig.world.user_ids)
        for name, serve in _contestants(rig, ranker):
            found = _measured(rig, Contestant(name, ranker, serve), rates, full)
            cells += [cell for cell, _ in found]
            proof.points += [asdict(seen.point) for _, seen in found if seen and name == OURS]
    proof.checks = checks(cells)
    proof.grids = [_grid(cells, ranker) for ranker in rig.rankers]
    proof.curves = [_curve(cells, ranker) for ranker in rig.rankers]
    proof.facts = [
        f"{rig.world.user_count} users drawn evenly, pages of 20 from 500 candidates of {rig.world.creator_count:,}",
        f"each trial {_trial_s(rig, math.inf):.1f} s, longer at low rates, the first fifth not counted",
        "rates are shares of Earshot's own C with that ranker and deadline",
        "NDCG@20 of the answers in time; the gain of a creator is its score by the full work for that user, less the least of the 500",
        "fixed n: the same server, but it ranks the first n of the 500 whatever the time left, and the rest follow by similarity; no brown-out",
        f"QualityFactor: likewise; n goes up by {OPTIONS.delta:g} of 500 after a call in time, {_DOWN:.0f} times as far down after others",
        f"a contestant is held against only where it keeps {LEAST_IN_TIME:.1%} itself; differences of NDCG up to {TIE} are ties",
    ]
    return proof


def checks(cells: Sequence[Cell]) -> list[Check]:
    """Two lines per place: how many of ours are in time, and by how much the best of those that contend is ahead of us."""
    lines = []
    for cell in (one for one in cells if one.contestant == OURS):
        where = f"{COSTS_MS[cell.ranker]:g} ms ranker, deadline {cell.deadline_ms:g} ms, {cell.load:g} C"
        late = cell.doubt if not cell.in_time >= LEAST_IN_TIME else ""  # being sent late makes it harder, never easier
        lines.append(Check(f"{where}: in time", cell.in_time, "at least", LEAST_IN_TIME, doubt=late))
        rivals = [one for one in cells if one.place == cell.place and one.contestant != OURS and one.contends]
        if rivals:
            best = max(rivals, key=lambda one: one.ndcg)
            lines.append(Check(f"{where}: NDCG less that of {best.contestant}", cell.ndcg - best.ndcg, "at least", -TIE, ""))
    return lines


def _contestants(rig: Rig, ranker: str) -> list[tuple[str, Serve]]:
    return [
        (OURS, rig.serve(ranker)),
        *((f"fixed {count}", rig.contestant(ranker, f"fixed:{count}")) for count in COUNTS),
        ("QualityFactor", rig.contestant(ranker, "quality-factor")),
    ]


def _rates(rig: Rig, ranker: str) -> dict[float, float]:
    """C by deadline in ms; 0 where no rate holds."""
    ensure_bundle(rig.world, ranker)
    found = {}
    for deadline_ms in rig.deadlines_ms:
        print(f"C, {ranker} ranker, deadline {deadline_ms:g} ms", flush=True)
        try:
            found[deadline_ms] = capacity(replace(rig, seconds=min(rig.seconds, SEARCH_SECONDS)), ranker, deadline_ms / 1e3)
        except RuntimeError:
            found[deadline_ms] = 0.0
    return found


def _measured(
    rig: Rig, contestant: Contestant, rates: Mapping[float, float], full: Mapping[str, Mapping[str, float]]
) -> list[tuple[Cell, Seen | None]]:
    found: list[tuple[Cell, Seen | None]] = []
    with contestant.serve() as target:
        for deadline_ms, load in product(rig.deadlines_ms, LOADS):
            rate_per_s = load * rates[deadline_ms]
            if not rate_per_s:
                none = Cell(contestant.name, contestant.ranker, deadline_ms, load, 0.0, math.nan, math.nan, "no rate holds this deadline")
                found.append((none, None))
                continue
            trial = replace(rig.trial(target, rate_per_s, _trial_s(rig, rate_per_s), deadline_ms / 1e3), keeps_slates=True)
            seen = see(trial, target)
            found.append((_cell(contestant, load, seen, full), seen))
        return found


def _cell(contestant: Contestant, load: float, seen: Seen, full: Mapping[str, Mapping[str, float]]) -> Cell:
    name, ranker = contestant.name, contestant.ranker
    quality = mean_ndcg(seen.measured.samples, seen.trial, full)
    cell = Cell(name, ranker, seen.trial.deadline_s * 1e3, load, seen.trial.rate_per_s, seen.point.good_share, quality, doubts([seen.point]))
    where = f"{name:14} {ranker:6} {cell.deadline_ms:4g} ms {load:g} C = {cell.rate_per_s:7.1f}/s"
    print(f"  {where}   {cell.in_time:8.2%}   NDCG {quality:.4f}", flush=True)
    return cell


def _trial_s(rig: Rig, rate_per_s: float) -> float:
    return trial_s(rig.seconds / (len(rig.rankers) * (len(COUNTS) + 2) * len(rig.deadlines_ms) * len(LOADS)), rate_per_s)


def _grid(cells: Sequence[Cell], ranker: str) -> Grid:
    """One line per deadline and load, one column per contestant: in time, NDCG."""
    own = [cell for cell in cells if cell.ranker == ranker]
    names = list(dict.fromkeys(cell.contestant for cell in own))
    rows = []
    for place in dict.fromkeys(cell.place for cell in own):
        here = {cell.contestant: cell for cell in own if cell.place == place}
        rows.append([f"{place[1]:g} ms", f"{place[2]:g} C", f"{here[names[0]].rate_per_s:.0f}/s", *(_text(here[name]) for name in names)])
    return Grid(f"{COSTS_MS[ranker]:g} ms ranker: in time, NDCG@20", ["deadline", "load", "rate", *names], rows)


def _text(cell: Cell) -> str:
    return f"{cell.in_time:.2%}, {cell.ndcg:.4f}" if not math.isnan(cell.in_time) else "-"


def _curve(cells: Sequence[Cell], ranker: str) -> Curve:
    """NDCG by deadline at the highest load, of those in time."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for cell in cells:
        if cell.ranker == ranker and cell.load == LOADS[-1] and cell.contends:
            lines.setdefault(cell.contestant, []).append((cell.deadline_ms, cell.ndcg))
    return Curve(f"NDCG@20 by deadline at {LOADS[-1]:g} C, {COSTS_MS[ranker]:g} ms ranker", "deadline, ms", "NDCG@20 of those in time", lines)
