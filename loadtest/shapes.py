"""The shapes of load: how many callers at which time. Each caller makes CALLS_PER_S calls a second, at random moments."""

from __future__ import annotations

from dataclasses import dataclass, replace

CALLS_PER_S = 4.0  # of one caller. Far below what one could do alone: a caller seldom has to wait for its own last answer


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which the number of callers goes in a straight line from `first` to `last`."""

    duration_s: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Shape:
    """Phases, one after the other."""

    name: str
    phases: tuple[Phase, ...]

    @property
    def duration_s(self) -> float:
        """From the first call to the last."""
        return sum(phase.duration_s for phase in self.phases)

    @property
    def peak(self) -> int:
        """The most callers at any time."""
        return max(round(max(phase.first, phase.last)) for phase in self.phases)

    @property
    def planned_calls(self) -> float:
        """How many calls the callers make in the mean when each gets its answers at once."""
        return sum(phase.duration_s * (phase.first + phase.last) / 2 for phase in self.phases) * CALLS_PER_S

    def callers_at(self, time_s: float) -> int | None:
        """The number of callers, at least one; None when the shape is over."""
        for phase in self.phases:
            if time_s < phase.duration_s:
                return max(1, round(phase.first + (phase.last - phase.first) * time_s / phase.duration_s))
            time_s -= phase.duration_s
        return None

    def stretched(self, duration_s: float) -> Shape:
        """The same shape in another time."""
        by = duration_s / self.duration_s
        return replace(self, phases=tuple(replace(phase, duration_s=phase.duration_s * by) for phase in self.phases))

    def multiplied(self, by: float) -> Shape:
        """The same shape with more callers, or fewer."""
        return replace(self, phases=tuple(replace(phase, first=phase.first * by, last=phase.last * by) for phase in self.phases))


SHAPES = {
    shape.name: shape
    for shape in (
        # Does it work at all? 40 calls/s for 40 s: enough calls for a p99, short enough to run before every release.
        Shape("smoke", (Phase(40, 10, 10),)),
        # An ordinary hour, in six minutes: 200 calls/s, a quarter of what the demo's server and this load do together on two cores.
        Shape("average", (Phase(30, 1, 50), Phase(300, 50, 50), Phase(30, 50, 1))),
        # Twelve times as many callers within a second, 480 calls/s, and back: does it hold, and is it fast again afterwards?
        Shape("spike", (Phase(30, 10, 10), Phase(30, 120, 120), Phase(30, 10, 10))),
        # Does anything grow, leak or drift? 100 calls/s for an hour: 360,000 calls.
        Shape("soak", (Phase(60, 1, 25), Phase(3480, 25, 25), Phase(60, 25, 1))),
    )
}
