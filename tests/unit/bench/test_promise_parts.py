"""Who is interrupted goes on where it stopped; rivals that are known to miss are not measured; and what was not measured is said."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace

import pytest

from bench.load import Target
from bench.promise import deadlines, overload, overload_report
from bench.promise.cells import OURS, Cell, grid
from bench.promise.commands import COMMANDS
from bench.promise.parts import Parts
from bench.promise.rig import Rig, Seen
from bench.promise.rivals import COUNTS, names, why_skipped
from bench.promise.world import World
from loadtest.open_loop.point import point_of
from loadtest.open_loop.senders import Measured
from loadtest.open_loop.trial import OK, Samples

SETTINGS = {"seconds": 10.0, "seed": 1, "server_words": ""}


def test_parts_are_there_again_under_the_same_settings_only(tmp_path):
    file = tmp_path / "parts" / "a.json"
    parts = Parts(file, SETTINGS)
    assert parts.get("x") is None
    parts.keep("x", {"share": 0.5})
    assert Parts(file, SETTINGS).get("x") == {"share": 0.5}
    assert Parts(file, SETTINGS).once("x", lambda: pytest.fail("it is there")) == {"share": 0.5}
    for other in ({"seconds": 20.0}, {"seed": 2}, {"server_words": "--admission off"}):
        assert "x" not in Parts(file, SETTINGS | other)
    assert "x" in Parts(file, SETTINGS)


def test_a_part_whose_measuring_fails_leaves_the_others_as_they_were(tmp_path):
    parts = Parts(tmp_path / "a.json", SETTINGS)
    parts.keep("none", None)
    with pytest.raises(KeyboardInterrupt):
        parts.once("x", interrupted)
    again = Parts(tmp_path / "a.json", SETTINGS)
    assert ("none" in again, "x" in again) == (True, False)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def interrupted():
    raise KeyboardInterrupt


def cell(contestant: str, load: float, in_time: float, doubt: str = "") -> Cell:
    return Cell(contestant, "heavy", 50.0, load, 100.0, in_time, 0.9, doubt)


def test_a_fixed_count_that_missed_by_far_is_not_measured_at_higher_loads():
    at_half = ("heavy", 50.0, 0.5)
    assert why_skipped("fixed 200", at_half, [cell("fixed 200", 0.2, 0.97)]) == "missed at 0.2 C"
    assert not why_skipped("fixed 200", at_half, [cell("fixed 200", 0.2, 0.985)])
    assert not why_skipped("fixed 200", at_half, [cell("fixed 200", 0.2, 0.5, "the generator did not keep up")])
    assert not why_skipped("fixed 200", at_half, [cell("fixed 200", 0.8, 0.5), cell("fixed 100", 0.2, 0.5)])
    assert not why_skipped("fixed 200", at_half, [replace(cell("fixed 200", 0.2, 0.5), deadline_ms=20.0)])
    assert not why_skipped("QualityFactor", at_half, [cell("QualityFactor", 0.2, 0.5)])


def test_a_fixed_count_runs_only_where_it_could_be_in_time_and_none_larger_is():
    place = ("heavy", 50.0, 0.2)
    assert why_skipped("fixed 100", place, [cell("fixed 200", 0.2, 0.996)]) == "fixed 200 is in time"
    assert not why_skipped("fixed 100", place, [cell("fixed 200", 0.2, 0.99), cell("fixed 50", 0.2, 1.0), cell(OURS, 0.2, 1.0)])
    assert why_skipped("fixed 500", ("heavy", 20.0, 0.2), []) == "ranking alone takes longer"
    assert not why_skipped("fixed 20", ("heavy", 5.0, 0.2), [])


class Rehearsal:
    """The command `deadlines` with servers of numbers: every contestant is in time but fixed counts above 50, at C = 100/s."""

    def __init__(self, monkeypatch, out) -> None:
        self.rig = Rig(World(out / "data"), out, 60.0, rankers=("light",), deadlines_ms=(20.0, 50.0), server_core=None, client_core=None)
        self.asked: list[tuple[str, float, float]] = []
        self.most = math.inf
        for name, stand_in in {"capacity_of": self.capacity_of, "ensure_bundle": lambda *_: None, "_full": lambda *_: {}, "_see": self.see}.items():
            monkeypatch.setattr(deadlines, name, stand_in)
        monkeypatch.setattr(deadlines, "_server", lambda rig, ranker, name: lambda: nullcontext(Target(name, 1)))

    def capacity_of(self, rig, target, ranker, deadline_s, first_rate_per_s):
        return 100.0

    def see(self, rig, target, place, seconds=10.0) -> Seen:
        if len(self.asked) >= self.most:
            raise KeyboardInterrupt
        self.asked.append((target.address, place.deadline_ms, place.load))
        late = target.address.startswith("fixed") and int(target.address.split()[1]) > 50
        trial, calls = rig.trial(target, place.rate_per_s, 10.0, place.deadline_ms / 1e3), Samples()
        for number in range(500):
            calls.add(number / 50, 0.0, 1.0 if late else 0.001, OK, slate="")
        measured = Measured(calls, 0.5)
        return Seen(trial, measured, point_of(trial, measured))

    def parts(self) -> Parts:
        return Parts(self.rig.parts_file("deadlines"), self.rig.settings)


@pytest.fixture
def rehearsal(monkeypatch, tmp_path) -> Rehearsal:
    monkeypatch.setattr(deadlines, "mean_ndcg", lambda samples, trial, full, until_s: 0.9)
    return Rehearsal(monkeypatch, tmp_path)


def test_deadlines_go_on_after_an_interruption_and_end_with_the_same_proof(rehearsal, tmp_path):
    rehearsal.most = 9
    with pytest.raises(KeyboardInterrupt):
        deadlines.measure(rehearsal.rig, rehearsal.parts())
    half = deadlines.report(rehearsal.rig, rehearsal.parts())
    assert len(half.points) == 6  # Earshot came first, at two deadlines and three loads
    first, rehearsal.most = list(rehearsal.asked), math.inf
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    assert rehearsal.asked[: len(first)] == first
    assert len(rehearsal.asked) == len(set(rehearsal.asked)), "a cell was measured twice"
    whole = deadlines.report(rehearsal.rig, rehearsal.parts())
    assert whole.met
    assert json.loads(json.dumps(whole.to_json()))["checks"]
    asked = len(rehearsal.asked)
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    assert len(rehearsal.asked) == asked
    assert deadlines.report(rehearsal.rig, rehearsal.parts()) == whole


def test_other_settings_measure_anew(rehearsal):
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    asked, rehearsal.rig = len(rehearsal.asked), replace(rehearsal.rig, seed=2)
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    assert len(rehearsal.asked) == 2 * asked


def test_the_table_says_of_every_rival_what_was_measured_or_why_not(rehearsal):
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    (table,) = deadlines.report(rehearsal.rig, rehearsal.parts()).grids
    assert table.headings[3:] == [OURS, *names()]
    assert len(names()) == len(COUNTS) + 1
    middle = table.rows[1]
    assert middle[5] == "missed at 0.2 C"
    assert middle[8] == "fixed 50 is in time"
    assert "-" not in {text for row in table.rows for text in row}


def test_where_no_rate_holds_nobody_is_measured_and_the_line_says_so(rehearsal, monkeypatch):
    monkeypatch.setattr(deadlines, "capacity_of", lambda *_: 0.0)
    deadlines.measure(rehearsal.rig, rehearsal.parts())
    proof = deadlines.report(rehearsal.rig, rehearsal.parts())
    assert (rehearsal.asked, proof.met) == ([], False)
    assert {check.cells[3] for check in proof.checks} == {"not shown: no rate holds this deadline"}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_reports_what_there_is_even_if_that_is_nothing(name, tmp_path):
    rig = Rig(World(tmp_path / "data"), tmp_path, 10.0, rankers=COMMANDS[name].rankers or ("light", "heavy"), words=COMMANDS[name].words)
    proof = COMMANDS[name].report(rig, Parts(rig.parts_file(name), rig.settings))
    assert proof.name == name
    assert not proof.met


def test_half_a_goodput_curve_is_reported_as_that(tmp_path, rehearsal):
    rig = rehearsal.rig
    parts = Parts(rig.parts_file("overload"), rig.settings)
    parts.keep(overload.C, 100.0)
    place = deadlines.Place("light", 100.0, 2.0, 50.0)
    overload.once(parts, overload.at_load(2.0), lambda: rehearsal.see(rig, Target(OURS, 1), place))
    proof = overload_report.report(rig, parts)
    assert [check.what for check in proof.checks] == ["goodput at 2 C, of C"]
    assert proof.curves[0].lines["bound"] == []
    assert grid([], "light").rows == []
