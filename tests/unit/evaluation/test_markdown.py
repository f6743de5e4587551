"""Pages whose figures a command fills in, and promises."""

from __future__ import annotations

import pytest

from evaluation.bootstrap import Interval
from evaluation.claims import claims
from evaluation.markdown import blocks, fill
from evaluation.result import EXHAUSTIVE, RETRIEVAL, SLATE, TAGS, Evaluation, Row, read_evaluation

ONE = Interval(0.3, 0.29, 0.31)
PAGE = "above\n<!-- measured: main -->\n|of yesterday|\n<!-- end -->\nbelow\n"


def make(gain=ONE, loss=0.002, difference=1e-7):
    rows = tuple(Row(name, {"NDCG@20": ONE, "Recall@50": ONE}, {"coverage": 0.5, "Gini": 0.9, "emerging": 0.1}) for name in (SLATE, RETRIEVAL))
    gains = {
        f"NDCG@20, {SLATE} minus EASE": gain,
        f"share of NDCG@20 that the {SLATE} loses against {EXHAUSTIVE}": Interval(loss, loss, loss),
        f"NDCG@20, {SLATE} minus {RETRIEVAL}": Interval(-1.0, -1.0, -1.0),
        f"Recall@50 of cold creators among all, {RETRIEVAL} minus {TAGS}": gain,
        f"Recall@50 of cold creators among all, {SLATE} minus {TAGS}": gain,
    }
    facts = {"bundle": "b1", "users": 1892, "largest difference of served and trainer's scores": difference}
    return Evaluation(facts, rows, rows, rows, gains, ((200, ONE),))


def test_an_evaluation_comes_back_from_its_file():
    assert read_evaluation(make().to_json()) == make()


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": 1}', '{"format": 2}', "no JSON"])
def test_what_is_no_evaluation_is_refused(text):
    with pytest.raises(ValueError):
        read_evaluation(text)


def test_a_block_is_replaced_and_the_rest_of_the_page_stays():
    filled = fill(PAGE, {"main": blocks(make())["main"]})
    assert filled.startswith("above\n<!-- measured: main -->\n|method|NDCG@20|")
    assert "|**two-stage slate**|0.3000 (0.2900 to 0.3100)|-|0.3000 (0.2900 to 0.3100)|-|0.500|0.900|0.100|\n" in filled
    assert filled.endswith("<!-- end -->\nbelow\n")
    assert "yesterday" not in filled
    assert fill(filled, {"main": blocks(make())["main"]}) == filled


def test_a_block_without_a_place_is_named():
    with pytest.raises(ValueError, match="sweep"):
        fill(PAGE, {"main": "", "sweep": ""})


def test_promises_hold_or_fail_by_their_figures():
    assert all(claim.holds for claim in claims(make(), 0.3))
    for broken, least in ((make(gain=Interval(0.1, -0.01, 0.2)), None), (make(loss=0.011), None), (make(difference=2e-5), None), (make(), 0.31)):
        assert not all(claim.holds for claim in claims(broken, least))


def test_what_is_only_shown_is_no_promise():
    assert len(claims(make())) == 5
