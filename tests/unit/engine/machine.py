"""A simulated machine: requests whose stages take what is told, times the load, with seeded noise, on a clock that only work moves."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from domain.deadline import Deadline
from domain.errors import DeadlinePassed
from domain.slate import Plan
from domain.terms import Terms
from engine.cost_model import CostModel
from engine.plan import Planner
from engine.stage_cost import StageCost


@dataclass
class Stage:
    """What a stage truly takes: (fixed_s + per_row_s * n) * slower."""

    fixed_s: float
    per_row_s: float = 0.0
    slower: float = 1.0

    def true_s(self, count: int) -> float:
        return (self.fixed_s + self.per_row_s * count) * self.slower

    def measured(self, usual_count: int) -> StageCost:
        return StageCost(self.fixed_s, self.per_row_s, usual_count)


@dataclass
class Outcome:
    """How one request ended. ranked_count: None where it was refused before any work."""

    spent_s: float
    ranked_count: int | None
    plan: Plan | None = None
    in_time: bool = True


@dataclass
class Machine:
    """Runs requests as the engine does, one after another, while others are said to run beside them."""

    rank: Stage
    retrieve: Stage = field(default_factory=lambda: Stage(0.0002, 1e-6))
    rest: Stage = field(default_factory=lambda: Stage(0.0001))
    wanted_count: int = 200
    spread: float = 0.05  # of the logarithm of every stage's time
    outliers: float = 0.002  # share of stages that are interrupted for interruption_s
    interruption_s: float = 0.004
    seed: int = 1

    def __post_init__(self) -> None:
        self.now_s = 0.0
        self.random = random.Random(self.seed)
        costs = CostModel(
            rank=self.rank.measured(self.wanted_count),
            retrieve=self.retrieve.measured(self.wanted_count),
            rest=self.rest.measured(1),
            candidate_count=self.wanted_count,
        )
        self.planner = Planner(costs)
        self.planner.load.count = 1

    def clock(self) -> float:
        return self.now_s

    def run(self, stage: Stage, cost: StageCost, count: int, running: int) -> None:
        """Let a stage run, on a core that all running requests share, and be observed."""
        work_s = stage.true_s(count) * self.random.lognormvariate(0.0, self.spread)
        taken_s = work_s * running * self.random.uniform(0.85, 1.15) ** (running - 1)
        if self.random.random() < self.outliers:
            taken_s += self.random.expovariate(1.0) * self.interruption_s
        self.now_s += taken_s
        cost.observe(count, running, taken_s, work_s)

    def request(self, budget_s: float, running: int = 1, page_size: int = 20) -> Outcome:
        """One request with `budget_s` until its deadline, while `running` requests run, itself included."""
        self.planner.load.count = running
        started_s = self.now_s
        terms = Terms(Deadline.after(budget_s, self.clock))
        costs = self.planner.costs
        try:
            first = self.planner.begin(self.wanted_count, page_size, False, terms)
        except DeadlinePassed:
            return Outcome(0.0, None)
        self.run(self.retrieve, costs.retrieve, first.retrieve_count, running)
        plan = self.planner.again(first, first.retrieve_count, False, terms)
        done = 0
        while count := self.planner.next_chunk(plan, done, first.retrieve_count, terms.deadline):
            self.run(self.rank, costs.rank, count, running)
            done += count
        self.run(self.rest, costs.rest, 1, running)
        spent_s = self.now_s - started_s
        return Outcome(spent_s, done, plan, spent_s <= budget_s)

    def probe(self) -> None:
        """What engine/probe.py does, where something is starved."""
        starved = self.planner.costs.starved
        if not starved:
            return
        for cost in starved:
            cost.doubt()
        self.planner.load.count = 1
        costs = self.planner.costs
        for count in (2, self.wanted_count // 8):
            self.run(self.retrieve, costs.retrieve, count, 1)
            self.run(self.rank, costs.rank, count, 1)
            self.run(self.rest, costs.rest, 1, 1)
