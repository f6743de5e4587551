"""The shapes of load: callers over time, and how many calls that is."""

import pytest

from loadtest.limits import LIMITS
from loadtest.shapes import CALLS_PER_S, SHAPES, Phase, Shape

_RAMP = Shape("ramp", (Phase(10, 0, 20), Phase(5, 20, 20), Phase(10, 20, 0)))


@pytest.mark.parametrize(("time_s", "callers"), [(0, 1), (5, 10), (9.9, 20), (10, 20), (14.9, 20), (20, 10), (24.9, 1), (25, None), (99, None)])
def test_callers_follow_the_phases_and_the_shape_ends(time_s: float, callers: int | None) -> None:
    assert _RAMP.callers_at(time_s) == callers


def test_planned_calls_are_the_area_under_the_callers() -> None:
    assert _RAMP.planned_calls == (10 * 10 + 5 * 20 + 10 * 10) * CALLS_PER_S
    assert Shape("up", (Phase(10, 0, 20),)).planned_calls == Shape("down", (Phase(10, 20, 0),)).planned_calls == 100 * CALLS_PER_S


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
def test_a_stretched_shape_looks_the_same_in_another_time(shape: Shape) -> None:
    short = shape.stretched(8)
    assert short.duration_s == pytest.approx(8)
    assert short.peak == shape.peak
    assert short.planned_calls == pytest.approx(shape.planned_calls * 8 / shape.duration_s)
    for part in (0, 0.2, 0.41, 0.6, 0.99):
        assert short.callers_at(8 * part) == shape.callers_at(shape.duration_s * part)


def test_a_multiplied_shape_has_so_many_times_the_callers() -> None:
    double = _RAMP.multiplied(2)
    assert (double.peak, double.duration_s, double.planned_calls) == (40, _RAMP.duration_s, 2 * _RAMP.planned_calls)


def test_the_spike_is_a_spike_and_leaves_time_to_recover() -> None:
    before, peak, after = SHAPES["spike"].phases
    assert peak.first >= 5 * before.last
    assert (after.first, after.duration_s) == (before.first, before.duration_s)


def test_each_shape_has_its_limits_and_the_default_one_is_short() -> None:
    assert set(SHAPES) == set(LIMITS) == {"smoke", "average", "spike", "soak"}
    assert 30 <= SHAPES["smoke"].duration_s <= 60
