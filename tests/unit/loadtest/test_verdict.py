"""Thresholds: met or missed, each with its value and its limit."""

from dataclasses import replace

import pytest

from loadtest.call import Outcome
from loadtest.limits import Limits
from loadtest.outcomes import Outcomes
from loadtest.shapes import CALLS_PER_S, Phase, Shape
from loadtest.verdict import checks, summary

_SHAPE = Shape("short", (Phase(10, 10, 10),))
_PLANNED = int(100 * CALLS_PER_S)
_LIMITS = Limits(failed_share=0.01, p95_ms=20, p99_ms=50, achieved_share=0.9, degraded_share=0.02)


def _outcomes(count: int = _PLANNED, failed: int = 0, degraded: int = 0, slow: int = 0, slow_ms: float = 40) -> Outcomes:
    outcomes = Outcomes()
    for number in range(count):
        failure = "DEADLINE_EXCEEDED" if number < failed else ""
        rungs = ("RANK DEADLINE",) if number < degraded else ()
        outcomes.add(Outcome("first page", slow_ms if number < slow else 5.0, failure, degradations=rungs))
    return outcomes


def _missed(outcomes: Outcomes, limits: Limits = _LIMITS) -> list[str]:
    return [check.name for check in checks(outcomes, _SHAPE, limits) if not check.met]


def test_a_good_run_misses_nothing() -> None:
    assert _missed(_outcomes()) == []


@pytest.mark.parametrize(
    ("outcomes", "missed"),
    [
        (_outcomes(failed=5), "failed calls"),
        (_outcomes(degraded=9), "degraded calls"),
        (_outcomes(slow=21), "p95"),
        (_outcomes(slow=5, slow_ms=51), "p99"),
        (_outcomes(count=int(_PLANNED * 0.89)), "of planned calls"),
    ],
)
def test_each_threshold_is_missed_by_itself(outcomes: Outcomes, missed: str) -> None:
    assert _missed(outcomes) == [missed]


def test_what_is_exactly_at_the_limit_is_met() -> None:
    assert _missed(_outcomes(failed=4, degraded=8, slow=20, slow_ms=50, count=_PLANNED), replace(_LIMITS, p95_ms=5)) == []


def test_a_run_without_a_single_call_meets_nothing() -> None:
    assert len(_missed(Outcomes())) == len(checks(Outcomes(), _SHAPE, _LIMITS))


def test_a_line_says_whether_what_and_how_much_was_allowed() -> None:
    lines = [" ".join(str(check).split()) for check in checks(_outcomes(failed=5), _SHAPE, _LIMITS)]
    assert lines[:2] == ["MISSED failed calls 1.25 % at most 1 %", "met p95 5.0 ms at most 20 ms"]
    assert lines[3] == "met of planned calls 100.00 % at least 90 %"
    assert "nothing" in str(checks(Outcomes(), _SHAPE, _LIMITS)[1])


def test_the_summary_names_failures_degradations_and_stages() -> None:
    outcomes = _outcomes(failed=2, degraded=3)
    outcomes.add(Outcome("first page", 5.0, "", stages=(("RETRIEVE", 0.25), ("RANK", 1.5))))
    text = "\n".join(summary(outcomes, _SHAPE))
    assert "failed: 2 x DEADLINE_EXCEEDED" in text
    assert "degraded: 3 x RANK DEADLINE" in text
    assert "RETRIEVE" in text
    assert "0.250" in text
