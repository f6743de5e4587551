"""What the ways to search cost beside each other. One crossover follows from two numbers: the index's effort, and a gathered row, in scanned rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

ROWS_PER_TUNED_EFFORT = 64.0
"""Rows that a contiguous scan looks at in the time of one unit of the index's effort, at the effort that it was tuned to. Measured on one core with
64 dimensions, 50,000 and 200,000 creators: 0.61 to 0.77 us per unit of effort, 9 to 12 ns per row. Both sides grow with the dimensions alike."""

ROWS_PER_EFFORT = 80.0
"""The same where filters make the index look several times further, with the results that it hands over: about 100 on a machine with nothing else to
do, 60 to 75 where other processes keep the memory busy."""

GATHER_COST = 3.0
"""One gathered row costs as much as so many contiguous ones: about 4 on an idle machine, 2.0 to 2.3 on a busy one."""

STEP = 2.0
"""Fitted numbers are rounded to the shipped one times a power of this: processors of one kind measure within 15 % of each other, and must choose
alike, because the index and the scan may answer the same request with other candidates."""

MOST_STEPS = 1
"""A measurement further away than so many steps is taken for a disturbed one: while others kept the memory busy, rows came out
at a third."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The crossover of one machine, in units of one contiguously scanned row. Immutable; the default is what was measured where it was written.

    rows_per_tuned_effort is never fitted: it plans requests without a restriction, and these have the same answer on every machine.
    """

    rows_per_effort: float = ROWS_PER_EFFORT
    gather_cost: float = GATHER_COST
    rows_per_tuned_effort: float = ROWS_PER_TUNED_EFFORT

    @classmethod
    def measured(cls, effort_s: float, row_s: float, gathered_row_s: float) -> Costs:
        """From the seconds of one unit of effort, of one contiguous and of one gathered row; rounded, and kept near the shipped numbers."""
        return cls(_rounded(effort_s, row_s, ROWS_PER_EFFORT), _rounded(gathered_row_s, row_s, GATHER_COST))

    def gathering_pays(self, row_count: int, creator_count: int) -> bool:
        """Whether gathering so many rows costs less than scanning all `creator_count` and looking at those only."""
        return self.gather_cost * row_count < creator_count

    def of_scan(self, allowed_count: int, creator_count: int) -> float:
        """An exact scan of `allowed_count` rows of `creator_count`: gathered, or all of them when that is cheaper."""
        return min(float(creator_count), self.gather_cost * allowed_count)

    def of_index(self, effort: int, restricted: bool) -> float:
        """A search of the index, with or without a restriction."""
        return (self.rows_per_effort if restricted else self.rows_per_tuned_effort) * effort


SHIPPED = Costs()
"""What builds and proofs plan with, so that they do not depend on the machine."""


def _rounded(part_s: float, row_s: float, shipped: float) -> float:
    if not (part_s > 0.0 and row_s > 0.0):  # a clock too coarse to tell
        return shipped
    steps = round(math.log(part_s / row_s / shipped, STEP))
    return shipped * STEP ** max(-MOST_STEPS, min(MOST_STEPS, steps))
