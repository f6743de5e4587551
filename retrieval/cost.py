"""When a scan is cheaper than the index.

Measured on one core with 64 dimensions, 50,000 and 200,000 creators, 200 to 2,000 candidates: hnswlib spends 0.61 to 0.77 us per unit of
effort, a contiguous scan 10 ns per row, a scan of gathered rows 38 to 54 ns. Both sides grow with the dimensions alike. A later version fits
these at warm-up, on the machine that serves.
"""

from __future__ import annotations

ROWS_PER_EFFORT = 50
"""Rows that are scanned in the time of one unit of effort. Measured 61 to 77; less, because scans of several workers share the memory bus."""

GATHER_COST = 4
"""One gathered row costs as much as so many contiguous ones."""


def scanned_row_count(allowed_count: int, creator_count: int) -> int:
    """The cost of an exact scan of `allowed_count` rows, in contiguous rows: gathered, or all of them when that is cheaper."""
    return min(creator_count, GATHER_COST * allowed_count)


def index_pays(effort: int, scanned_rows: int) -> bool:
    """Whether asking the index with this effort costs less than scanning so many contiguous rows."""
    return effort * ROWS_PER_EFFORT < scanned_rows
