"""CPU time of a process and everything it started, to the nanosecond."""

from __future__ import annotations

import time
from pathlib import Path

PROC = Path("/proc")


def tree_of(root_pid: int) -> list[int]:
    """The process and its living descendants, ascending."""
    children: dict[int, list[int]] = {}
    for directory in PROC.iterdir():
        if directory.name.isdigit():
            parent = _parent_of(directory)
            children.setdefault(parent, []).append(int(directory.name))
    found, frontier = [root_pid], [root_pid]
    while frontier:
        frontier = [child for pid in frontier for child in children.get(pid, [])]
        found += frontier
    return sorted(found)


def cpu_s(pids: list[int]) -> float:
    """User and system time of all threads of these processes so far, seconds. Raises OSError when one of them is gone.

    Reads the processes' CPU clocks: /proc/<pid>/stat counts in ticks of 10 ms, too coarse for short blocks.
    """
    return sum(time.clock_gettime(_cpu_clock_of(pid)) for pid in pids)


def _cpu_clock_of(pid: int) -> int:
    """What clock_getcpuclockid(3) gives on Linux: the scheduler's clock (2) of a whole process."""
    return (~pid << 3) | 2


def _parent_of(directory: Path) -> int:
    try:
        # The name in parentheses may hold anything; what follows the last one is regular: state, parent, ...
        return int((directory / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return -1
