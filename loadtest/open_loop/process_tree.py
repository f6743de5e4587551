"""CPU time of a process with all its descendants."""

from __future__ import annotations

import time
from pathlib import Path


def tree_cpu_s(root_pid: int | None) -> float | None:
    """User and system seconds so far of the processes that live now, to the nanosecond; None when the root is unknown or gone."""
    if root_pid is None or not Path(f"/proc/{root_pid}").exists():
        return None
    total_s, waiting = 0.0, [root_pid]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
            total_s += time.clock_gettime(_cpu_clock_of(pid))
        except OSError:  # it ended while we looked
            continue
    return total_s


def _cpu_clock_of(pid: int) -> int:
    """What clock_getcpuclockid(3) gives on Linux: the scheduler's clock (2) of a whole process. /proc/<pid>/stat counts in ticks of 10 ms."""
    return (~pid << 3) | 2
