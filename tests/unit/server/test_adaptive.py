"""The adaptive policy in virtual time: real line, limits and allowances, seeded Poisson callers, an engine that keeps to what it is told.

Capacity is what one core can answer at the floor, by the costs: 1 / (floor + edge). `bound` is reliability.md's: what refusals leave of it.
"""

import math
from types import SimpleNamespace

import pytest

from server.admission.adaptive import GOOD_FOR_S, AdaptivePolicy, Limits
from server.admission.line import WaitingLine
from server.admission.reading_load import ReadingLoad
from server.admission.run_limit import RunLimit
from server.admission.ticket import Ticket
from tests.unit.server.virtual_worker import EDGE_S, REFUSAL_S, Stream, VirtualWorker

LIGHT, HEAVY = (0.002, 0.0003), (0.030, 0.001)  # full and least answers, in seconds


def floor_s(costs):
    return max(costs[1], 0.1 * costs[0]) + EDGE_S


def bound(costs, load):
    """Share of the capacity that is left when a call costs floor_s and its refusal REFUSAL_S."""
    each = REFUSAL_S / floor_s(costs)
    return (1 - load * each) / (1 - each)


def in_time(outcomes):
    return sum(outcome.in_time for outcome in outcomes) / len(outcomes)


def goodput(outcomes, seconds):
    return sum(outcome.in_time for outcome in outcomes) / seconds


@pytest.mark.parametrize("budget_s", [0.005, 0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("costs", [LIGHT, HEAVY])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_below_the_capacity_of_full_answers_all_are_in_time(costs, budget_s, load):
    outcomes = VirtualWorker(*costs).run(Stream(load / (costs[0] + EDGE_S), budget_s, 30.0))
    assert in_time(outcomes) >= 0.995


def test_where_there_is_time_and_little_load_answers_are_full():
    outcomes = VirtualWorker(*LIGHT).run(Stream(0.5 / (LIGHT[0] + EDGE_S), 0.1, 10.0))
    assert sum(outcome.share == 1.0 for outcome in outcomes) >= 0.99 * len(outcomes)


@pytest.mark.parametrize("costs", [LIGHT, HEAVY])
@pytest.mark.parametrize("load", [2, 5, 10])
@pytest.mark.parametrize("budget_s", [0.05, 1.0])
def test_beyond_its_capacity_a_worker_goes_on_answering_at_its_full_rate(costs, load, budget_s):
    """The answers of patient callers are made smaller by the line alone."""
    capacity, seconds = 1 / floor_s(costs), 4.0
    outcomes = VirtualWorker(*costs).run(Stream(load * capacity, budget_s, seconds))
    assert goodput(outcomes, seconds) >= 0.95 * capacity * bound(costs, load)


def test_patient_callers_get_full_answers_for_as_long_as_no_line_stands():
    """A rate of 98 % of what full answers allow, of which a share of 92 % would leave hardly anybody a full one."""
    outcomes = VirtualWorker(*LIGHT).run(Stream(0.98 / (LIGHT[0] + EDGE_S), 5.0, 20.0))
    assert sum(outcome.share == 1.0 for outcome in outcomes) >= 0.5 * len(outcomes)
    assert in_time(outcomes) == 1.0


@pytest.mark.parametrize("costs", [LIGHT, HEAVY])
def test_at_twice_the_capacity_smaller_answers_come_before_refusals(costs):
    """Three times what full answers allow is taken whole, since the floor allows ten times as much."""
    outcomes = VirtualWorker(*costs).run(Stream(3 / (costs[0] + EDGE_S) / (2 if costs is LIGHT else 1), 0.05, 10.0))
    assert sum(outcome.fate != "served" for outcome in outcomes) <= 0.005 * len(outcomes)


@pytest.mark.parametrize("costs", [LIGHT, HEAVY])
def test_it_answers_three_times_as_many_in_time_as_a_queue_without_admission_before_full_answers(costs):
    stream = Stream(2 / floor_s(costs), 0.05, 5.0)
    adaptive = goodput(VirtualWorker(*costs).run(stream), 5.0)
    assert adaptive >= 3 * goodput(VirtualWorker(*costs, admission="off", anytime=False).run(stream), 5.0)


def test_what_answers_cannot_use_of_their_share_goes_to_later_ones():
    """The share is below what a call of the ranker costs at all: some answers are ranked, instead of none, and all are in time."""
    worker = VirtualWorker(*HEAVY, fixed_s=0.008)
    outcomes = worker.run(Stream(120, 0.1, 10.0))
    assert in_time(outcomes) >= 0.995
    assert sum(outcome.share > 0.25 for outcome in outcomes) >= 0.25 * len(outcomes)
    assert 0.6 <= worker.worked_s / 10.0 <= 0.9


def test_hardly_anybody_who_was_let_in_is_late_and_nobody_waits_long_for_nothing():
    outcomes = VirtualWorker(*LIGHT).run(Stream(10 / floor_s(LIGHT), 0.1, 6.0))
    served = [outcome for outcome in outcomes if outcome.fate == "served" and outcome.arrived_s > 1.0]
    assert in_time(served) >= 0.99
    waits_s = sorted(outcome.waited_s for outcome in served)
    assert waits_s[int(0.99 * len(waits_s))] <= 0.045  # 20 ms of work, with the polling thread using half of the core


@pytest.mark.parametrize("edge", ["begin", "end"])
def test_half_a_second_after_the_edge_of_a_spike_everything_is_as_it_should_be(edge):
    capacity = 1 / floor_s(LIGHT)
    outcomes = VirtualWorker(*LIGHT).run(Stream(0.6 * capacity, 0.05, 9.0), Stream(1.4 * capacity, 0.05, 6.0, start_s=3.0))
    start_s = 3.5 if edge == "begin" else 6.5
    for tenth in range(10):
        part = [outcome for outcome in outcomes if start_s + tenth / 10 <= outcome.arrived_s < start_s + (tenth + 1) / 10]
        assert goodput(part, 0.1) >= (0.9 * capacity * bound(LIGHT, 2) if edge == "begin" else 0.99 * len(part) / 0.1)
    if edge == "end":
        shares = [outcome.share for outcome in outcomes if 7.0 <= outcome.arrived_s < 9.0]
        assert sum(shares) / len(shares) > 1.05 * 0.1 / 1  # answers are larger than the floor again


@pytest.mark.parametrize("costs", [LIGHT, HEAVY])
def test_interactive_calls_do_not_notice_ten_times_as_many_batch_calls(costs):
    rate = 0.6 / (costs[0] + EDGE_S)
    outcomes = VirtualWorker(*costs).run(Stream(rate, 0.05, 10.0), Stream(10 * rate, 0.2, 10.0, batch=True))
    interactive, batch = ([o for o in outcomes if o.stream.batch is kind] for kind in (False, True))
    assert in_time(interactive) >= 0.995
    assert goodput(batch, 10.0) > rate  # they use what is left
    alone = VirtualWorker(*costs).run(Stream(rate, 0.05, 10.0))
    assert sum(o.share for o in interactive) >= 0.85 * sum(o.share for o in alone)


@pytest.mark.parametrize("seed", range(3))
def test_answers_are_planned_with_what_a_flood_of_refusals_leaves_of_the_processor(seed):
    """A refusal of 190 us, gRPC's threads included, as measured beside a ranker: the flood takes nearly half of the core."""
    worker = VirtualWorker(*HEAVY, refusal_s=190e-6, seed=seed)
    outcomes = worker.run(Stream(120, 0.1, 20.0), Stream(2_400, 0.1, 20.0, batch=True))
    interactive = [outcome for outcome in outcomes if not outcome.stream.batch]
    assert in_time(interactive) >= 0.995
    waits_s = sorted(outcome.waited_s for outcome in interactive)
    assert waits_s[len(waits_s) // 2] <= 0.02


def test_nobody_interactive_is_refused_for_the_sake_of_a_floor_beside_refused_batch_calls():
    """At the floor they would need more than a flood of 2,700 refusals a second leaves; answers below it fit."""
    outcomes = VirtualWorker(*HEAVY, refusal_s=190e-6).run(Stream(160, 0.1, 20.0), Stream(2_700, 0.1, 20.0, batch=True))
    interactive = [outcome for outcome in outcomes if not outcome.stream.batch]
    assert in_time(interactive) >= 0.995
    assert sum(outcome.share for outcome in interactive) >= 0.05 * len(interactive)


def test_batch_calls_alone_get_the_whole_worker():
    outcomes = VirtualWorker(*LIGHT).run(Stream(0.5 / (LIGHT[0] + EDGE_S), 0.2, 5.0, batch=True))
    assert in_time(outcomes) >= 0.995


def test_calls_whose_callers_leave_cost_next_to_nothing():
    """All come within 10 ms and leave after 1 ms; whoever waits is dropped when his turn comes."""
    worker = VirtualWorker(*LIGHT)
    outcomes = worker.run(Stream(10_000, 0.1, 0.01, leaves_after_s=0.001))
    served = sum(outcome.fate == "served" for outcome in outcomes)
    assert served <= 0.3 * len(outcomes)
    assert worker.worked_s <= 0.3 * len(outcomes) * (LIGHT[0] + EDGE_S)


@pytest.mark.parametrize("seed", range(20))
def test_no_call_is_started_that_is_dead(seed):
    worker = VirtualWorker(*HEAVY, seed=seed)
    start, begun = worker.policy.start, []

    def watched(now_s, ticket):
        verdict = start(now_s, ticket)
        begun.append((verdict, now_s < ticket.deadline_s))
        return verdict

    worker.policy.start = watched
    worker.run(Stream(300, 0.02, 1.0), Stream(300, 0.2, 1.0, leaves_after_s=0.01), Stream(100, 0.1, 1.0, batch=True))
    assert all(alive for verdict, alive in begun if verdict)


class Still:
    """A policy at a time that stands still, with calls put into its line by hand. reading: of the processor, as long as anybody looks."""

    def __init__(self, least_s=0.001, full_s=0.01, reading=0.0, **limits):
        self.now_s = 10.0
        running = RunLimit(1, 4, lambda: 0.0, lambda: self.now_s)
        self.costs = SimpleNamespace(least_s=least_s, full_s=full_s)
        self.line = WaitingLine(lambda: running.calls, lambda: self.now_s)
        limits = Limits(**{"cores": 1, "most_waiting": 100, "max_queue_s": 0.02, "floor": 0.1, **limits})
        self.policy = AdaptivePolicy(self.costs, self.line, running, ReadingLoad(lambda: reading * self.now_s), limits)
        for _ in range(100 if reading else 0):
            self.now_s += 0.1
            self.policy.gauges(self.now_s)
        self.now_s += 2 * GOOD_FOR_S  # what follows from it is worked out anew

    def ticket(self, budget_s=0.1, batch=False):
        return Ticket(self.now_s, self.now_s + budget_s, batch, SimpleNamespace(active=lambda: True), lambda _: None)

    def offer(self, **call):
        """Whether it is taken; then it waits, or runs."""
        ticket = self.ticket(**call)
        taken = self.policy.open_to(self.now_s, ticket.deadline_s, False) and self.policy.admits(self.now_s, ticket)
        if taken:
            self.line.put(ticket)
            if self.line.take() is ticket:
                self.policy.start(self.now_s, ticket)
        return taken


def test_an_idle_worker_takes_whatever_comes_and_lets_the_engine_judge():
    """Costs that were learned in a bad moment must not keep out the calls from which better ones are learned."""
    still = Still(least_s=5.0, full_s=50.0)
    assert still.offer(budget_s=0.01)
    assert not still.offer(budget_s=0.01)


def test_who_cannot_be_answered_in_time_is_refused_and_who_can_is_not():
    still = Still()
    assert still.offer()  # runs, for 10 ms
    assert not still.offer(budget_s=0.005)
    assert still.offer(budget_s=0.05)


def test_the_line_is_bounded_in_time_and_in_number():
    still = Still(max_queue_s=0.004)
    assert sum(still.offer(budget_s=10.0) for _ in range(100)) == 1 + 16  # five times 4 ms for a burst, 1.3 ms each
    few = Still(most_waiting=3)
    assert sum(few.offer(budget_s=10.0) for _ in range(100)) == 1 + 3


def test_a_line_that_stands_is_bounded_closer_than_a_burst():
    still = Still(max_queue_s=0.004)
    for _ in range(4):
        assert still.offer(budget_s=0.3)
    still.now_s += 0.2
    for _ in range(400):  # who came of late was in a hurry, and one of them every 1.25 ms is more than a core answers
        still.policy.admits(still.now_s, still.ticket(budget_s=0.03))
    assert still.offer(budget_s=0.03)
    assert not still.offer(budget_s=0.03)


def test_a_line_that_stands_by_chance_may_be_as_long_as_a_burst():
    """As few come as can be answered at the floor: refusing them would not make them fewer."""
    still = Still(max_queue_s=0.004)
    for _ in range(4):
        assert still.offer(budget_s=0.3)
    still.now_s += 0.2
    for _ in range(60):
        still.policy.admits(still.now_s, still.ticket(budget_s=0.03))
    assert sum(still.offer(budget_s=0.03) for _ in range(100)) == 16 - 3


def test_a_line_of_patient_callers_may_stand_as_long_as_a_burst():
    still = Still(max_queue_s=0.004)
    for _ in range(4):
        assert still.offer(budget_s=10.0)
    still.now_s += 0.2
    assert sum(still.offer(budget_s=10.0) for _ in range(100)) == 16 - 3


def test_sixteen_patient_callers_in_a_closed_loop_get_full_answers():
    """Of 2 ms each on one core: a line of 30 ms, where half of `max_queue_s` is 25."""
    still = Still(least_s=0.0002, full_s=0.002, max_queue_s=0.05, floor=0.0)
    for _ in range(16):
        assert still.offer(budget_s=5.0)
    still.now_s += 0.2
    ticket = still.ticket(budget_s=5.0)
    still.policy.start(still.now_s, ticket)
    assert ticket.allowance_s == math.inf


def test_batch_calls_are_refused_before_interactive_ones():
    still = Still(max_queue_s=0.004)
    for _ in range(40):
        still.policy.admits(still.now_s, still.ticket())  # interactive ones come at a rate that leaves little
    assert still.offer()
    taken = [still.offer(budget_s=10.0, batch=True) for _ in range(20)]
    assert sum(taken) < 16
    assert still.offer(budget_s=1.0)


def test_a_call_that_waits_past_its_time_is_dropped():
    still = Still()
    late = still.ticket(budget_s=0.05)
    still.now_s += 0.0495  # half a millisecond is left, the least answer takes one
    assert not still.policy.start(still.now_s, late)


def test_half_a_processor_that_reads_leaves_half_of_the_allowance():
    alone, beside = Still(full_s=1.0, floor=0.0), Still(full_s=1.0, floor=0.0, reading=0.5)
    for still in (alone, beside):
        for _ in range(100):
            still.policy.admits(still.now_s, still.ticket())
    allowance_s = [still.policy.gauges(still.now_s).allowance_share for still in (alone, beside)]
    assert 0.35 * allowance_s[0] <= allowance_s[1] <= 0.55 * allowance_s[0]


def test_who_would_wait_too_long_because_others_are_refused_is_refused_too():
    """Each takes twice as long beside a thread that refuses all the time."""
    alone, beside = Still(max_queue_s=1.0), Still(max_queue_s=1.0, reading=0.5)
    counts = [sum(still.offer(budget_s=0.1 + 1e-6 * number) for number in range(100)) for still in (alone, beside)]
    assert 0.4 * counts[0] <= counts[1] <= 0.6 * counts[0]


def test_however_much_reading_takes_somebody_is_answered():
    assert Still(reading=1.0, max_queue_s=1.0).offer(budget_s=0.02)
    still = Still(reading=1.0, max_queue_s=1.0)
    assert sum(still.offer(budget_s=0.1) for _ in range(40)) >= 5


def test_who_could_still_be_answered_within_the_grace_is_neither_refused_nor_dropped():
    strict, kind = Still(max_queue_s=1.0), Still(max_queue_s=1.0, grace_s=0.005)
    assert strict.offer(budget_s=0.05)
    assert kind.offer(budget_s=0.05)
    assert not strict.offer(budget_s=0.008)  # the first one takes 10 ms, the least answer one
    assert kind.offer(budget_s=0.008)
    assert not kind.offer(budget_s=0.005)
    for still, is_started in ((strict, False), (kind, True)):
        waited = still.ticket(budget_s=0.05)
        still.now_s += 0.0495
        assert still.policy.start(still.now_s, waited) is is_started


def test_the_gauges_show_what_is_held_back():
    still = Still()
    assert still.policy.gauges(still.now_s).allowance_share == 1.0
    for _ in range(200):
        still.policy.admits(still.now_s, still.ticket(batch=False))
    still.now_s += 0.02
    gauges = still.policy.gauges(still.now_s)
    assert gauges.interactive_per_s == pytest.approx(400, rel=0.05)
    assert 0.1 <= gauges.allowance_share < 0.3


@pytest.mark.parametrize("valid", [True, False])
def test_calls_that_are_refused_for_what_they_ask_take_nothing_from_others(valid):
    """A flood of invalid requests is decoded and refused, and costs hardly anything."""
    still = Still(max_queue_s=1.0)
    for _ in range(2_000):
        ticket = still.ticket()
        assert still.policy.admits(still.now_s, ticket)
        still.policy.start(still.now_s, ticket)
        ticket.engine_s = min(ticket.allowance_s, 0.001) if valid else 0.0  # who works uses what it is given
        still.now_s += 0.001
        still.policy.finish(still.now_s, ticket)
    assert (still.policy.gauges(still.now_s).allowance_share < 1.0) is valid
