"""All that was measured over one world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.data import World
from bench.figures import Sample, figures_of


@dataclass(frozen=True, slots=True)
class Result:
    """index: what the manifest says about the index that everybody opened. differences: per contestant, what is wrong with its answers;
    empty lists when they agree. idle_cpu_ms: per server, CPU milliseconds per second while nobody asked anything."""

    world: World
    index: Mapping[str, object]
    samples: list[Sample]
    differences: Mapping[str, list[str]]
    idle_cpu_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def levels(self) -> list[int]:
        """Requests in flight, ascending."""
        return sorted({sample.in_flight for sample in self.samples})

    @property
    def contestants(self) -> list[str]:
        """In the order of the first round."""
        return list(dict.fromkeys(sample.contestant for sample in self.samples))

    def of(self, contestant: str, in_flight: int) -> list[Sample]:
        """The samples of one contestant at one level, in round order."""
        return [s for s in self.samples if s.contestant == contestant and s.in_flight == in_flight]

    @property
    def sound(self) -> bool:
        """Whether the figures mean anything: every call answered with OK, no rung taken, all answers alike."""
        figures = [figures_of(self.of(name, level)) for level in self.levels for name in self.contestants]
        return not any(self.differences.values()) and not any(f.failure_count or f.degraded_count for f in figures)
