"""What counts as proved, what the page says of it, and that contestants are held against only where they keep the deadline."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET

import pytest

from bench.promise.capacity import mistaken
from bench.promise.cells import OURS, Cell, checks
from bench.promise.pages import write_page
from bench.promise.proof import Check, Curve, Grid, Proof
from bench.promise.ranker import width_for
from bench.promise.report import page, write
from loadtest.open_loop.point import Point, point_of
from loadtest.open_loop.senders import Measured
from loadtest.open_loop.trial import OK, Samples, Trial


def test_what_is_in_doubt_or_was_not_measured_is_not_proved():
    assert Check("a", 0.995, "at least", 0.995).met
    assert not Check("a", 0.994, "at least", 0.995).met
    assert Check("a", 0.3, "at most", 0.3).met
    assert not Check("a", 0.31, "at most", 0.3).met
    assert not Check("a", 1.0, "at least", 0.5, doubt="the generator did not keep up").met
    assert not Check("a", math.nan, "at most", 1.0).met
    assert not Proof("n", "t", 1).met


def cell(contestant: str, in_time: float, ndcg: float, doubt: str = "") -> Cell:
    return Cell(contestant, "light", 20.0, 0.8, 100.0, in_time, ndcg, doubt, call_count=400)


def test_only_contestants_that_keep_the_deadline_are_a_standard():
    late, best, worse = cell("fixed 500", 0.98, 1.0), cell("fixed 100", 0.999, 0.97), cell("fixed 20", 1.0, 0.9)
    in_time, quality = checks([cell(OURS, 0.996, 0.975), late, best, worse])
    assert in_time.met
    assert "fixed 100" in quality.what
    assert quality.value == pytest.approx(0.005)
    assert not checks([cell(OURS, 0.996, 0.96), best])[1].met
    assert len(checks([cell(OURS, 0.996, 0.96), late])) == 1


def test_a_late_generator_excuses_no_failure_and_spoils_no_success():
    assert checks([cell(OURS, 0.999, 1.0, "late")])[0].met
    failed = checks([cell(OURS, 0.9, 1.0, "late")])[0]
    assert not failed.met
    assert failed.cells[3] == "not shown: late"


def proof() -> Proof:
    return Proof(
        "overload",
        "Goodput <when> everyone calls",
        7,
        [Check("goodput, of C", 0.97, "at least", 0.95), Check("attempts | calls", 1.2, "at most", 1.1, "")],
        ["how it was measured"],
        [Grid("A table", ["load", "goodput"], [["2", "97 %"]])],
        [Curve("A curve & more", "load", "goodput", {"goodput": [(1.0, 1.0), (2.0, 0.97)]})],
        machine={"cpu": "a processor", "server_words": ""},
    )


def test_a_proof_comes_back_as_it_was_written(tmp_path):
    write(proof(), tmp_path)
    written = json.loads((tmp_path / "overload.json").read_text())
    assert Proof.from_json(written) == proof()
    assert (written["met"], [check["met"] for check in written["checks"]]) == (False, [True, False])
    text = page(proof())
    assert "Goodput &lt;when&gt; everyone calls" in text
    assert "<script" not in text


def test_the_page_is_filled_between_its_markers_and_the_curves_lie_beside_it(tmp_path):
    write(proof(), tmp_path)
    document = tmp_path / "performance.md"
    document.write_text("before\n<!-- measured: overload -->\nold\n<!-- end -->\nafter\n<!-- measured: cancels -->\nkept\n<!-- end -->\n")
    written = write_page(tmp_path, document, tmp_path / "pictures")
    text = document.read_text()
    assert written == [document, tmp_path / "pictures" / "overload-1.svg"]
    assert text.startswith("before\n<!-- measured: overload -->\n**Goodput")
    assert "old" not in text
    assert "kept" in text
    assert "|goodput, of C|97.00%|>= 95.00%|pass|" in text
    assert "|attempts   calls|1.2|<= 1.1|FAIL|" in text
    assert "](pictures/overload-1.svg)" in text
    assert ET.fromstring((tmp_path / "pictures" / "overload-1.svg").read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    write_page(tmp_path, document, tmp_path / "pictures")
    assert document.read_text() == text


def test_results_without_a_place_or_no_results_at_all_are_refused(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text("nothing\n")
    with pytest.raises(FileNotFoundError, match="holds no results"):
        write_page(tmp_path, document, tmp_path)
    write(proof(), tmp_path)
    with pytest.raises(ValueError, match='no block "overload"'):
        write_page(tmp_path, document, tmp_path)


def test_the_width_of_a_ranker_is_the_one_whose_cost_is_nearest():
    assert width_for(0.002, lambda width: width**2 * 1e-8) == 448  # 447.2 would be exact; the grain is 16
    assert width_for(1e-9, lambda width: width * 1e-6) == 16


def seen(rate_per_s: float, good_share: float) -> Point:
    trial, calls = Trial("", rate_per_s, 10.0, 0.0), Samples()
    for number in range(1000):
        calls.add(number / 100, 0.0, 0.01, OK if number < 1000 * good_share else "UNAVAILABLE")
    measured = Measured(calls, None)
    return point_of(trial, measured)


def test_a_capacity_that_a_higher_rate_belies_is_called_mistaken():
    assert mistaken([seen(20, 1.0), seen(100, 1.0), seen(200, 0.9)], 100.0) == ""
    assert "200.0/s held as well" in mistaken([seen(100, 1.0), seen(200, 0.995)], 100.0)
