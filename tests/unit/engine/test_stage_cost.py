"""The cost of one stage: how it is measured, what it learns, and what it is not fooled by."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.margin import LEAST_COUNT, WINDOW_COUNT, Margin
from engine.stage_cost import StageCost, measure_cost

costs = st.builds(StageCost, st.floats(0, 1), st.floats(0, 0.1), st.integers(1, 500))


def test_measuring_finds_the_line_through_both_medians():
    clock_s = 0.0

    def clock():
        return clock_s

    def rank(count):
        nonlocal clock_s
        clock_s += 0.002 + 0.0001 * count

    cost = measure_cost(rank, 10, 200, clock)
    assert cost.fixed_s == pytest.approx(0.002)
    assert cost.per_row_s == pytest.approx(0.0001)


def test_a_catalogue_of_one_is_measured_too():
    cost = measure_cost(lambda _: None, 1, 1, lambda: 0.0)
    assert cost.typical(1) <= 1e-6


@given(costs, st.integers(0, 500), st.integers(0, 500), st.integers(1, 20))
def test_more_rows_never_cost_less(cost, count, more, running):
    assert cost.typical(count, running) <= cost.typical(count + more, running)
    assert cost.sure(count, running) <= cost.sure(count + more, running)


@given(
    costs,
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 20), st.floats(0, 10), st.floats(0, 10) | st.none()), max_size=80),
    st.integers(1, 500),
)
def test_whatever_is_observed_predictions_stay_sane(cost, observations, count):
    for observed in observations:
        cost.observe(*observed)
    assert 0.0 <= cost.typical(count) <= cost.sure(count) < 1e12
    assert cost.typical(count) <= cost.typical(count, 8)
    assert cost.sure(count) <= cost.sure(count + 1)


def test_no_rows_cost_nothing():
    assert StageCost(0.5, 0.1).sure(0, 8) == 0.0


def test_one_outlier_changes_nothing_and_two_in_a_row_change_the_prediction():
    cost = StageCost(0.001, 1e-5, 200)
    for _ in range(50):
        cost.observe(200, 1, 0.003, 0.003)
    cost.observe(200, 1, 0.030, 0.030)
    assert cost.typical(200) == pytest.approx(0.003)
    cost.observe(200, 1, 0.030, 0.030)
    assert cost.typical(200) > 0.015


def test_load_is_not_taken_for_a_slower_machine():
    cost = StageCost(0.001, 1e-5, 200)
    for _ in range(100):
        cost.observe(200, 1, 0.012, 0.003)  # three others came right after it had begun
    assert cost.typical(200) == pytest.approx(0.003)
    assert cost.sure(200) >= 0.012


def test_a_fixed_cost_and_one_per_row_are_told_apart_by_the_widths_that_are_observed():
    cost = StageCost(0.001, 1e-5, 200)
    for number in range(400):
        width = (20, 200)[number % 2]
        cost.observe(width, 1, 0.0, 0.004 + 2e-5 * width)
    assert cost.typical(20) == pytest.approx(0.0044, rel=0.02)
    assert cost.typical(200) == pytest.approx(0.008, rel=0.02)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_how_much_requests_stretch_each_other_is_learned(share):
    cost, rng = StageCost(0.001, 1e-5, 200), random.Random(1)
    for _ in range(3_000):
        running = rng.randint(1, 4)
        work_s = 0.003 * rng.uniform(0.95, 1.05)
        cost.observe(200, running, work_s * (1 + share * (running - 1)), work_s)
    assert cost.typical(200, 4) == pytest.approx(0.003 * (1 + 3 * share), rel=0.1)
    assert cost.typical(200, 1) == pytest.approx(0.003, rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_the_margin_covers_99_of_100(seed):
    margin, rng = Margin(), random.Random(seed)
    covered = []
    for _ in range(20_000):
        actual_s = 0.01 * rng.lognormvariate(0.0, 0.2)
        covered.append(actual_s <= 0.01 + margin.seconds(0.01))
        margin.add(0.01, actual_s)
    assert sum(covered[WINDOW_COUNT:]) / len(covered[WINDOW_COUNT:]) >= 0.99


@pytest.mark.parametrize("count", [LEAST_COUNT, 40, 150])
def test_one_interruption_does_not_stretch_the_plans_and_two_do(count):
    margin = Margin()
    for number in range(count):
        margin.add(0.001, 0.008 if number == 3 else 0.0011)
    assert margin.seconds(0.001) <= 0.0005 + 1e-9
    for number in range(count):
        margin.add(0.001, 0.008 if number == 3 else 0.0011)
    twice_seen = 2 * count - 3 <= WINDOW_COUNT
    assert margin.seconds(0.001) == (pytest.approx(0.007) if twice_seen else pytest.approx(0.0001))


def test_a_margin_without_observations_believes_half_as_long_again_possible():
    margin = Margin()
    assert margin.seconds(0.02) == pytest.approx(0.01)
    for _ in range(LEAST_COUNT):
        margin.add(0.02, 0.02)
    assert margin.seconds(0.02) == 0.0
    margin.start_over()
    assert margin.seconds(0.02) == pytest.approx(0.01)


def test_a_bad_moment_is_forgotten_by_doubting_it_a_few_times():
    margin = Margin()
    for _ in range(2):
        margin.add(0.02, 1.0)
    for _ in range(100):
        margin.add(0.02, 0.02)
    bad_s = margin.seconds(0.02)
    margin.forget_half()
    assert margin.seconds(0.02) == 0.0
    assert bad_s == pytest.approx(0.98)
    for _ in range(6):
        margin.forget_half()
    assert margin.seconds(0.02) == pytest.approx(0.01)


def test_who_is_starved_is_fed_by_the_next_observation():
    cost = StageCost(0.001)
    cost.starved = True
    cost.observe(1, 1, 0.001, None)
    assert not cost.starved
