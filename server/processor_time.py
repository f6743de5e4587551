"""How much of the processor this process wants."""

from __future__ import annotations

import time
from pathlib import Path

TASKS = Path("/proc/self/task")


def wanted_s(tasks: Path = TASKS) -> float:
    """Seconds that the living threads have run, or were ready to run and waited for a core that others had; without the waits where Linux tells none.

    The time that a process used says nothing about whether it could use more: its core may be taken by somebody else. About 0.1 ms for ten threads.
    """
    total_ns = 0
    for task in tasks.iterdir():
        try:
            ran_ns, waited_ns, _ = (task / "schedstat").read_text().split()
        except (OSError, ValueError):  # the thread has ended, or the kernel keeps no such figures
            continue
        total_ns += int(ran_ns) + int(waited_ns)
    return total_ns / 1e9 if total_ns else time.process_time()
