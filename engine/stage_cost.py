"""What one stage takes, by its width and by how many requests run: fitted at warm-up, refreshed by every request. Why so: docs/adr/0011-budget.md."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable

from domain.deadline import Clock
from domain.diagnosis import CostLine
from domain.slate import Stage
from engine.margin import Margin

WARM_UP_RUN_COUNT = 7  # enough for a median that one preemption does not move; three are thrown away first
DISCARDED_RUN_COUNT = 3  # onnxruntime's first runs of a shape are 10 to 1000 times slower

MOST_RUNNING = 8  # with more at a time the margins are those of so many
FASTEST = 1 / 50  # of the time at warm-up, which may have been a bad moment; but a coefficient that nobody observes must not vanish
CHANGED = (-0.35, 0.5)  # a surprise beyond these, twice in a row, is no noise: processor time varies little
SLOWED = 1.0  # and from here on the margins are those of another machine, too
CALM_GAIN, CHANGE_GAIN, SHARE_GAIN = 0.1, 0.7, 0.02
LEAST_S = 1e-6


class StageCost:
    """Seconds of one stage of width n while k requests run: `(fixed_s + per_row_s * n) * (1 + share * (k - 1))`. Thread-safe.

    fixed_s, per_row_s: learned from processor time, so that load cannot be taken for a slower machine. share: how much one more running request
    stretches a stage: 1 where all share a core, 0 where each has its own. What else happens, requests that come and go meanwhile and whatever the
    machine does beside, is in the margins, one per number of running requests.
    starved: somebody could not afford the stage, so perhaps nobody observes it any more; whoever sees that, and that `observed_count` stands still,
    may run it once, see engine/probe.py.
    attention: how many more calls are to be observed, whoever watches otherwise: set by who saw one that took too long.
    under_way: by thread, when a call began that has not ended yet, and how long it surely takes; kept by whoever calls.
    """

    def __init__(self, fixed_s: float = 0.0, per_row_s: float = 0.0, usual_count: int = 1) -> None:
        """As measured at warm-up. usual_count: the width of the full work."""
        usual_s = max(LEAST_S, fixed_s + per_row_s * usual_count)
        self._base = (max(fixed_s, usual_s / 100), per_row_s)  # never both zero
        self._floor = (FASTEST * self._base[0], FASTEST * per_row_s)
        self.fixed_s, self.per_row_s, self.share, self.starved = max(fixed_s, self._floor[0]), per_row_s, 1.0, False
        self.attention = self.observed_count = 0
        self.under_way: dict[int, tuple[float, float]] = {}
        self._usual_count, self._last_surprises = usual_count, [0.0, 0.0]
        self._margins = [Margin() for _ in range(MOST_RUNNING)]
        self._lock = threading.Lock()

    def typical(self, count: int, running: int = 1) -> float:
        """The seconds that are expected; no rows cost nothing."""
        return (self.fixed_s + self.per_row_s * count) * (1.0 + self.share * (running - 1)) if count > 0 else 0.0

    def sure(self, count: int, running: int = 1, caution: float = 1.0) -> float:
        """The seconds that hold in 99 of 100 cases; caution: how many times the margin is wanted, 1 for once."""
        typical_s = self.typical(count, running)
        return typical_s + caution * self._margins[min(running, MOST_RUNNING) - 1].seconds(typical_s)

    def observe(self, count: int, running: int, actual_s: float, work_s: float | None) -> None:
        """The stage took `actual_s` for `count` (>= 1) rows, when `running` (>= 1) requests ran at its start; `work_s` of it on the processor.

        work_s: None where that is not known; then only the margin learns.
        """
        with self._lock:
            self._margins[min(running, MOST_RUNNING) - 1].add(self.typical(count, running), actual_s)
            self.starved, self.attention = False, max(0, self.attention - 1)
            self.observed_count += 1
            if work_s is None:
                return
            surprise = work_s / (self.fixed_s + self.per_row_s * count) - 1.0
            # An outlier stands alone: only what the last observation of a like width says too is learned, and of the two the smaller.
            wide = 2 * count > self._usual_count
            last, self._last_surprises[wide] = self._last_surprises[wide], surprise
            if last * surprise > 0.0:
                self._learn(count, surprise if abs(surprise) < abs(last) else last)
            if running > 1:
                seen = (actual_s / max(LEAST_S, work_s) - 1.0) / (running - 1)
                self.share += SHARE_GAIN * (min(2.0, max(0.0, seen)) - self.share)

    def slowdown(self, now_s: float) -> float:
        """How many times slower than believed the machine is at least, by the calls that should long have ended; 1 where all is well.

        Without it everybody who comes would learn that only when the first slow call has ended, and start another one meanwhile.
        """
        overdue = 1.0
        for started_s, sure_s in tuple(self.under_way.values()):
            overdue = max(overdue, (now_s - started_s) / max(LEAST_S, sure_s))
        return overdue

    def doubt(self) -> None:
        """Forget the older half of what made the margins. For stages that nobody can afford: otherwise one bad moment would be believed as long as it
        takes to fill a window with probes."""
        with self._lock:
            for margin in self._margins:
                margin.forget_half()

    def line(self, stage: Stage | None, method: str = "") -> CostLine:
        """What has been learned so far, for people."""
        return CostLine(stage, method, self.fixed_s, self.per_row_s, self.share, self.sure(self._usual_count))

    def _learn(self, count: int, surprise: float) -> None:
        """One step of normalised least mean squares: each coefficient takes the part of the error that its part of the usual cost can explain."""
        gain = CALM_GAIN if CHANGED[0] <= surprise <= CHANGED[1] else CHANGE_GAIN
        error_s = gain * surprise * (self.fixed_s + self.per_row_s * count)
        fixed, per_row = self._base
        rows = per_row * count
        step = error_s / (fixed * fixed + rows * rows)
        self.fixed_s = max(self._floor[0], self.fixed_s + step * fixed * fixed)
        self.per_row_s = max(self._floor[1], self.per_row_s + step * rows * per_row)
        if surprise > SLOWED:
            for margin in self._margins:
                margin.start_over()


def measure_cost(run: Callable[[int], object], small: int, large: int, clock: Clock) -> StageCost:
    """The cost of `run(n)` by medians at n = small and n = large (1 <= small <= large)."""
    small_s, large_s = _median_s(run, small, clock), _median_s(run, large, clock)
    per_row_s = max(0.0, (large_s - small_s) / (large - small)) if large > small else 0.0
    return StageCost(max(0.0, small_s - per_row_s * small), per_row_s, large)


def _median_s(run: Callable[[int], object], count: int, clock: Clock) -> float:
    durations_s = []
    for number in range(DISCARDED_RUN_COUNT + WARM_UP_RUN_COUNT):
        started_s = clock()
        run(count)
        if number >= DISCARDED_RUN_COUNT:
            durations_s.append(clock() - started_s)
    return statistics.median(durations_s)
