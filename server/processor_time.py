"""How much of the processor this process wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

TASKS = Path("/proc/self/task")


def wanted_s(tasks: Path = TASKS) -> float:
    """Seconds that the living threads have run, or were ready to run and waited for a core that others had; without the waits where Linux tells none.

    The time that a process used says nothing about whether it could use more: its core may be taken by somebody else. Asked often, so without the
    layers of Python's files: a third of their time.
    """
    total_ns, directory = 0, os.fspath(tasks)
    for task in os.listdir(directory):  # noqa: PTH208  # see above
        try:
            file = os.open(f"{directory}/{task}/schedstat", os.O_RDONLY)
        except OSError:  # the thread has ended, or the kernel keeps no such figures
            continue
        try:
            ran_ns, waited_ns, _ = os.read(file, 100).split()
            total_ns += int(ran_ns) + int(waited_ns)
        except (OSError, ValueError):  # it ended meanwhile
            continue
        finally:
            os.close(file)
    return total_ns / 1e9 if total_ns else time.process_time()
