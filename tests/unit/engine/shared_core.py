"""A simulated worker: some request threads share one core, requests arrive at random and wait for a thread. Its clock moves by work alone."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

from domain.deadline import Deadline
from domain.errors import DeadlinePassed
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.plan import Planner
from engine.stage_cost import StageCost
from tests.unit.engine.machine import Stage

RESERVE_S = 0.00175  # as `reply_reserve_ms`
EDGE_S = 0.00012  # to decode a request, and again to encode an answer
NEVER = math.inf
WANTED = 200

Work = Generator[float, None, None]
"""Yields processor seconds; goes on when they have been spent."""


@dataclass
class Answer:
    """How a request ended. ranked_count: None where it was refused."""

    arrived_s: float
    in_time: bool
    ranked_count: int | None


@dataclass
class SharedCore:
    """All requests that run get equal parts of the core."""

    rank: Stage
    seed: int = 1
    thread_count: int = 4
    spread: float = 0.08  # of the logarithm of every stage's processor time
    retrieve: Stage = field(default_factory=lambda: Stage(0.0002, 1e-6))
    rest: Stage = field(default_factory=lambda: Stage(0.0001))

    def __post_init__(self) -> None:
        self.now_s, self.number = 0.0, 0
        self.random = random.Random(self.seed)
        self.answers: list[Answer] = []
        stages = {name: getattr(self, name).measured(WANTED) for name in ("rank", "retrieve")}
        self.planner = Planner(CostModel(**stages, rest=self.rest.measured(1)))

    def clock(self) -> float:
        return self.now_s

    def serve(self, rate_per_s: float, budget_s: float, seconds: float) -> list[Answer]:
        """Requests at random moments for so long, all with the same time limit; returns when the last one has ended, with the answers of these."""
        before, ends_s = len(self.answers), self.now_s + seconds
        waiting: deque[float] = deque()
        running: list[list] = []  # [work left, Work]
        arrival_s = self.now_s + self.random.expovariate(rate_per_s)
        while arrival_s < NEVER or running:
            done_s = self.now_s + min(left for left, _ in running) * len(running) if running else NEVER
            until_s = min(arrival_s, done_s)
            for one in running:
                one[0] -= (until_s - self.now_s) / len(running)
            self.now_s = until_s
            if arrival_s <= until_s:
                waiting.append(arrival_s)
                arrival_s += self.random.expovariate(rate_per_s)
                arrival_s = arrival_s if arrival_s < ends_s else NEVER
            for one in [one for one in running if one[0] <= 1e-12]:
                self._go_on(one, running)
            while waiting and len(running) < self.thread_count:
                one = [0.0, self._request(waiting.popleft(), budget_s)]
                running.append(one)
                self._go_on(one, running)
        return self.answers[before:]

    def _go_on(self, one: list, running: list[list]) -> None:
        self.planner.load.count = len(running)
        one[0] = next(one[1], NEVER)
        if one[0] == NEVER:
            running.remove(one)

    def _request(self, arrived_s: float, budget_s: float) -> Work:
        """As the engine does it, between decoding and encoding."""
        self.number += 1
        number = self.number
        deadline, ranked_count = Deadline(arrived_s + budget_s - RESERVE_S, self.clock), None
        yield EDGE_S
        try:
            ranked_count = yield from self._recommend(Terms(deadline), number)
        except DeadlinePassed:
            pass
        else:
            yield EDGE_S
        self.answers.append(Answer(arrived_s, ranked_count is not None and self.now_s <= arrived_s + budget_s, ranked_count))

    def _recommend(self, terms: Terms, thread: int) -> Generator[float, None, int]:
        terms.check("start")
        planner, costs = self.planner, self.planner.costs
        first = planner.begin(WANTED, 20, False, terms)
        yield from self._stage(self.retrieve, costs.retrieve, first.retrieve_count, first.running_count)
        plan, done = planner.again(first, first.retrieve_count, False, terms), 0
        while count := planner.next_chunk(plan, done, first.retrieve_count, terms.deadline):
            costs.rank.under_way[thread] = (self.now_s, plan.sure_s)
            yield from self._stage(self.rank, costs.rank, count, plan.running_count)
            del costs.rank.under_way[thread]
            done += count
        yield from self._stage(self.rest, costs.rest, 1, first.running_count)
        return done

    def _stage(self, stage: Stage, cost: StageCost, count: int, running: int) -> Work:
        started_s, work_s = self.now_s, stage.true_s(count) * self.random.lognormvariate(0.0, self.spread)
        yield work_s
        cost.observe(count, running, self.now_s - started_s, work_s)
