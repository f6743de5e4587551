"""What one request takes, by the stages that matter: to plan it, and to admit it."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.diagnosis import CostLine
from domain.request import DEFAULT_PAGE_SIZE
from domain.slate import Stage
from engine.stage_cost import StageCost


@dataclass(frozen=True, slots=True)
class CostModel:
    """The costs of one profile on this machine, kept by each worker for itself. Thread-safe; the stages learn while serving.

    retrieve, exact: stage 1 by the number of candidates, as it plans itself and where the request asks for the exact scan. rank: by the number of
    candidates. rest: everything else inside the engine, which hardly depends on any count (count 1). candidate_count: of a request that names none.
    """

    rank: StageCost = field(default_factory=StageCost)
    retrieve: StageCost = field(default_factory=StageCost)
    exact: StageCost = field(default_factory=StageCost)
    rest: StageCost = field(default_factory=StageCost)
    candidate_count: int = 200

    @property
    def full_s(self) -> float:
        """Processor seconds that the full work of one request is expected to take on an otherwise idle core."""
        return self.rest.typical(1) + self.retrieve.typical(self.candidate_count) + self.rank.typical(self.candidate_count)

    @property
    def least_s(self) -> float:
        """The same of the least useful answer: a page in similarity order."""
        return self.rest.typical(1) + self.retrieve.typical(DEFAULT_PAGE_SIZE)

    def of_stage_1(self, exact: bool) -> StageCost:
        """The cost of retrieving, exactly or as the retriever plans."""
        return self.exact if exact else self.retrieve

    @property
    def starved(self) -> tuple[StageCost, ...]:
        """The stages that perhaps nobody observes any more, because somebody could not afford them."""
        return tuple(cost for cost in (self.rank, self.retrieve, self.exact) if cost.starved)

    def lines(self) -> tuple[CostLine, ...]:
        """What has been learned, for people."""
        return (
            self.retrieve.line(Stage.RETRIEVE),
            self.exact.line(Stage.RETRIEVE, "exact"),
            self.rank.line(Stage.RANK),
            self.rest.line(None),
        )
