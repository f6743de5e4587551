"""CPU time of a process with all its descendants."""

from __future__ import annotations

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tree_cpu_s(root_pid: int | None) -> float | None:
    """User and system seconds so far of the processes that live now, to a tick of 10 ms each; None when the root is unknown or gone."""
    if root_pid is None or not Path(f"/proc/{root_pid}").exists():
        return None
    ticks, waiting = 0, [root_pid]
    while waiting:
        pid = waiting.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        ticks += int(fields[11]) + int(fields[12])  # utime and stime: fields 14 and 15 of proc(5), two of which stand before the last parenthesis
    return ticks / TICKS_PER_S
